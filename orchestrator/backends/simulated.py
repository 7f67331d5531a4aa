"""Runs in virtual time, on curves that are given: the real samplers, stoppers and driver, and no training.

Each worker has one event ahead of it and no more: the next one follows when that has happened, so that a run needs
memory for its workers, not for what they are going to say. Of what happens at the same time, what was begun first
comes first, and the time of the last `WakeAt` after everything else.

A paused, suspended or stopped trial is let go of at once. As with real workers, an epoch whose objective is NaN or
infinite is not reported: the trial diverges when that epoch has passed.
"""

import heapq
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf, isfinite

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.objective import Objective
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import (
    CheckpointSaved,
    ConfigurationProposed,
    Event,
    RunStarted,
    SamplerExhausted,
    TimeReached,
    TrialCompleted,
    TrialDiverged,
    TrialReleased,
    TrialReported,
    WorkerJoined,
    WorkerLost,
)
from orchestrator.scheduler.instructions import Dismiss, Instruction, Pause, Propose, Stop, Suspend, Train, WakeAt

Curve = Callable[[Assignment, int], tuple[Mapping[str, float], float] | None]
"""The metrics that a trial reports after an epoch and the seconds that the epoch takes; None where training has ended
by itself before it."""

Overhead = Callable[[Assignment], float]
"""The seconds before the first epoch of an assignment whose trial the worker does not have in memory."""

LAST = sys.maxsize
"""After all that happens at the same time."""


def no_overhead(_: Assignment) -> float:
    return 0.0


class Life:
    """One attempt in a simulated worker's memory, and what it is going to say."""

    __slots__ = ("assignment", "best", "best_epoch", "cancelled", "epoch", "says", "worker")

    def __init__(self, worker: int, assignment: Assignment) -> None:
        self.worker = worker
        self.assignment = assignment
        self.epoch = assignment.after_epoch
        self.best = -inf
        self.best_epoch = 0
        self.says: Iterator[Event] = iter(())
        self.cancelled = False


@dataclass
class SimulatedBackend:
    curve: Curve
    objective: Objective
    workers: int
    overhead: Overhead = no_overhead
    sampler: Sampler | None = None
    """Answers `Propose`, at once."""
    now: float = 0.0
    busy_seconds: float = 0.0
    """Worker time spent on trials that are no longer training."""
    _pending: list[tuple[float, int, Event, Life | None]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _queues: dict[int, deque[Life]] = field(default_factory=dict)
    """What each worker is to train, the first of which it is training; a worker that has nothing to do has none."""
    _began: dict[int, float] = field(default_factory=dict)
    """Since when each worker that is training has been."""
    _lives: dict[tuple[int, int], Life] = field(default_factory=dict)
    _wake_at: float | None = None

    def __post_init__(self) -> None:
        self._next_worker = self.workers
        self._push(RunStarted(at=0.0))
        for worker in range(self.workers):
            self._push(WorkerJoined(at=0.0, worker=worker, node="simulated"))

    def wait(self) -> Sequence[Event]:
        """The next event, and virtual time jumps to it."""
        while self._pending:
            at, _, event, life = heapq.heappop(self._pending)
            if (life is not None and life.cancelled) or (isinstance(event, TimeReached) and at != self._wake_at):
                continue
            self.now = at
            if life is not None:
                self._go_on(life)
            return [event]
        raise RuntimeError("nothing is left to happen, and the run is not finished")

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Train():
                    self._train(instruction.worker, instruction.assignment)
                case Pause() | Suspend():
                    self._let_go(instruction.trial, instruction.attempt, save=True)
                case Stop() if instruction.worker is not None:
                    self._let_go(instruction.trial, instruction.attempt, save=False)
                case Dismiss():
                    self._replace(instruction)
                case Propose():
                    self._push(self._proposed(instruction.number))
                case WakeAt():
                    self._wake_at = instruction.time
                    heapq.heappush(self._pending, (instruction.time, LAST, TimeReached(at=instruction.time), None))

    def _replace(self, dismissed: Dismiss) -> None:
        """Another worker takes its place at once, or none; what the old one still has is gone."""
        worker = dismissed.worker
        for life in list(self._queues.get(worker, ())):
            self._leave(life)
        self._push(WorkerLost(at=self.now, worker=worker, reason=dismissed.reason, cause="dismissed"))
        if dismissed.slices == 0:
            return
        joined = WorkerJoined(at=self.now, worker=self._next_worker, node="simulated", slices=dismissed.slices)
        self._push(joined)
        self._next_worker += 1

    def _push(self, event: Event, life: Life | None = None) -> None:
        heapq.heappush(self._pending, (event.at, next(self._order), event, life))

    def _proposed(self, number: int) -> Event:
        assert self.sampler is not None, "a slow sampler must be known to the backend"
        try:
            configuration = self.sampler.configuration(number)
        except Exhausted as exhausted:
            return SamplerExhausted(at=self.now, number=number, reason=str(exhausted))
        return ConfigurationProposed(at=self.now, number=number, configuration=configuration)

    def _train(self, worker: int, assignment: Assignment) -> None:
        key = assignment.trial, assignment.attempt
        if assignment.after_epoch > 0 and assignment.start is None:
            life = self._lives[key]
            life.assignment = assignment
            self._begin(life, self.now)
            return
        life = self._lives[key] = Life(worker, assignment)
        queue = self._queues.setdefault(worker, deque())
        queue.append(life)
        if len(queue) == 1:
            self._begin(life, self.now + self.overhead(assignment))

    def _begin(self, life: Life, at: float) -> None:
        """The first epoch starts at a time from now on; the worker is busy from now on."""
        self._began[life.worker] = self.now
        life.says = self._said(life, at)
        self._go_on(life)

    def _go_on(self, life: Life) -> None:
        """Towards the next event of a trial; where there is none, it waits for what follows or is over."""
        if (event := next(life.says, None)) is not None:
            self._push(event, life)
        elif life.worker in self._began and self._queues[life.worker][0] is life:
            self._rest(life.worker)

    def _rest(self, worker: int) -> None:
        self.busy_seconds += self.now - self._began.pop(worker)

    def _said(self, life: Life, at: float) -> Iterator[Event]:
        """What a worker says in an assignment. What is below a `yield` is done when that event has happened."""
        assignment, objective = life.assignment, self.objective
        trial, attempt = assignment.trial, assignment.attempt
        if assignment.start is not None and (known := self.curve(assignment, assignment.start.best_epoch)) is not None:
            life.best, life.best_epoch = objective.score(known[0]), assignment.start.best_epoch
        ended = assignment.ends_trial
        for epoch in range(assignment.after_epoch + 1, assignment.to_epoch + 1):
            if (trained := self.curve(assignment, epoch)) is None:
                ended = True
                break
            metrics, seconds = trained
            at += seconds
            score = objective.score(metrics)
            if not isfinite(score):
                yield TrialDiverged(
                    at=at, trial=trial, attempt=attempt, epoch=epoch, reason=f"{objective.name} is {score}"
                )
                self._leave(life)
                return
            yield TrialReported(
                at=at, trial=trial, attempt=attempt, epoch=epoch, metrics=dict(metrics), seconds=seconds
            )
            life.epoch = epoch
            if score > life.best:
                life.best, life.best_epoch = score, epoch
        if ended:
            if assignment.keep_above is None or life.best >= assignment.keep_above:
                yield self._saved(at, life)
            yield TrialCompleted(at=at, trial=trial, attempt=attempt, reason=f"reached epoch {life.epoch}")
            self._leave(life)

    def _let_go(self, trial: int, attempt: int, *, save: bool) -> None:
        life = self._lives.get((trial, attempt))
        if life is None:
            return  # It ended, or was paused, this very moment; that is on the way.
        if save and life.epoch > 0:
            self._push(self._saved(self.now, life))
        self._push(TrialReleased(at=self.now, trial=trial, attempt=attempt))
        self._leave(life)

    def _leave(self, life: Life) -> None:
        """The worker forgets the trial, and begins what is queued behind it."""
        life.cancelled = True
        del self._lives[life.assignment.trial, life.assignment.attempt]
        queue = self._queues[life.worker]
        was_training = queue[0] is life
        queue.remove(life)
        if not was_training:
            return
        if life.worker in self._began:
            self._rest(life.worker)
        if queue:
            self._begin(queue[0], self.now + self.overhead(queue[0].assignment))

    def _saved(self, at: float, life: Life) -> CheckpointSaved:
        trial, attempt = life.assignment.trial, life.assignment.attempt
        checkpoint = Checkpoint(
            name=f"trial-{trial}-attempt-{attempt}-epoch-{life.epoch}",
            trial=trial,
            epoch=life.epoch,
            best_epoch=life.best_epoch,
            bytes=0,
            sha256="",
        )
        return CheckpointSaved(at=at, trial=trial, attempt=attempt, checkpoint=checkpoint)
