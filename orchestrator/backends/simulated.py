"""Runs in virtual time, on curves that are given: the real samplers, stoppers and driver, and no training."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf, isfinite

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.objective import Objective
from orchestrator.scheduler.events import (
    CheckpointSaved,
    Event,
    RunStarted,
    TimeReached,
    TrialCompleted,
    TrialDiverged,
    TrialReleased,
    TrialReported,
    WorkerJoined,
)
from orchestrator.scheduler.instructions import Instruction, Pause, Stop, Train, WakeAt

Curve = Callable[[Assignment, int], tuple[Mapping[str, float], float]]
"""The metrics that a trial reports after an epoch, and the seconds that the epoch takes."""


@dataclass(slots=True)
class Running:
    """One attempt in a simulated worker's memory."""

    worker: int
    best: float = -inf
    best_epoch: int = 0
    epoch: int = 0
    cancelled: bool = False


@dataclass
class SimulatedBackend:
    curve: Curve
    objective: Objective
    workers: int
    now: float = 0.0
    _pending: list[tuple[float, int, Event, Running | None]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _free_at: dict[int, float] = field(default_factory=dict)
    _running: dict[tuple[int, int], Running] = field(default_factory=dict)
    _bests: dict[int, tuple[float, int]] = field(default_factory=dict)
    _wake_at: float | None = None

    def __post_init__(self) -> None:
        self._push(RunStarted(at=0.0))
        for worker in range(self.workers):
            self._push(WorkerJoined(at=0.0, worker=worker, node="simulated"))

    def wait(self) -> Sequence[Event]:
        """The next event, and virtual time jumps to it."""
        while self._pending:
            self.now, _, event, running = heapq.heappop(self._pending)
            if isinstance(event, TimeReached) and event.at != self._wake_at:
                continue
            if running is None or not running.cancelled:
                return [event]
        raise RuntimeError("nothing is left to happen, and the run is not finished")

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Train():
                    self._train(instruction.worker, instruction.assignment)
                case Pause():
                    self._let_go(instruction.trial, instruction.attempt, save=True)
                case Stop() if instruction.worker is not None:
                    self._let_go(instruction.trial, instruction.attempt, save=False)
                case WakeAt():
                    self._wake_at = instruction.time
                    self._push(TimeReached(at=instruction.time))

    def _push(self, event: Event, running: Running | None = None) -> None:
        heapq.heappush(self._pending, (event.at, next(self._order), event, running))

    def _train(self, worker: int, assignment: Assignment) -> None:
        identity = {"trial": assignment.trial, "attempt": assignment.attempt}
        running = Running(worker)
        running.best, running.best_epoch = self._bests.get(assignment.trial, (-inf, 0))
        self._running[assignment.trial, assignment.attempt] = running
        at = max(self.now, self._free_at.get(worker, 0.0))
        for epoch in range(assignment.after_epoch + 1, assignment.to_epoch + 1):
            metrics, seconds = self.curve(assignment, epoch)
            at += seconds
            self._push(TrialReported(at=at, **identity, epoch=epoch, metrics=dict(metrics), seconds=seconds), running)
            score = self.objective.score(metrics)
            running.epoch = epoch
            if not isfinite(score):
                self._push(
                    TrialDiverged(at=at, **identity, epoch=epoch, reason=f"{self.objective.name} is {score}"), running
                )
                break
            if score > running.best:
                running.best, running.best_epoch = score, epoch
        else:
            if assignment.ends_trial:
                if assignment.keep_above is None or running.best >= assignment.keep_above:
                    self._push(self._saved(at, assignment.trial, assignment.attempt, running), running)
                self._push(TrialCompleted(at=at, **identity, reason=f"reached epoch {running.epoch}"), running)
        self._free_at[worker] = at
        self._bests[assignment.trial] = running.best, running.best_epoch

    def _let_go(self, trial: int, attempt: int, *, save: bool) -> None:
        running = self._running.pop((trial, attempt), None)
        if running is None:
            return  # Paused this very moment: its release is on the way.
        running.cancelled = True
        self._free_at[running.worker] = self.now
        if save:
            self._push(self._saved(self.now, trial, attempt, running))
        self._push(TrialReleased(at=self.now, trial=trial, attempt=attempt))

    def _saved(self, at: float, trial: int, attempt: int, running: Running) -> CheckpointSaved:
        name = f"trial-{trial}-attempt-{attempt}-epoch-{running.epoch}"
        checkpoint = Checkpoint(
            name=name, trial=trial, epoch=running.epoch, best_epoch=running.best_epoch, bytes=0, sha256=""
        )
        return CheckpointSaved(at=at, trial=trial, attempt=attempt, checkpoint=checkpoint)
