"""A world in which all that can happen does: a backend whose workers train, fail, diverge, die and join at random.

A worker does what a real one does (`orchestrator.workers`, `orchestrator.training`): commands in order, stops
that overtake them, one answer awaited at the end of an assignment. It asserts that the commands make sense.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from random import Random
from typing import Any

import msgspec

from orchestrator.assignment import Checkpoint
from orchestrator.objective import Objective
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import (
    CheckpointDamaged,
    CheckpointDelayed,
    CheckpointSaved,
    ConfigurationProposed,
    Event,
    NodeDraining,
    RunResumed,
    RunStarted,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    TrialCompleted,
    TrialDiverged,
    TrialFailed,
    TrialReleased,
    TrialReported,
    TrialStopRequested,
    WorkerJoined,
    WorkerLost,
    WorkerWornOut,
)
from orchestrator.scheduler.instructions import (
    Discard,
    Dismiss,
    Instruction,
    Pause,
    Propose,
    Stop,
    Suspend,
    Train,
    WakeAt,
)
from orchestrator.scheduler.state import State
from tests.scheduler.world_workers import Training, Worker, key_of, node_of

MOST_STEPS = 20_000


@dataclass(frozen=True)
class Nature:
    """How a world is; the rates are for each step of a worker."""

    seed: int = 0
    workers: int = 2
    direction: str = "max"
    pace: float = 1.0
    """Seconds that a step takes at most."""
    loss: float = 0.0
    failure: float = 0.0
    divergence: float = 0.0
    early_end: float = 0.0
    stop_request: float = 0.0
    trial_stop: float = 0.0
    """Somebody asks for the end of one trial, whatever it is doing, or has done."""
    upset: float = 0.0
    """Whatever else can go wrong: nodes drain, workers wear out or hang, checkpoints are delayed or damaged."""
    death: float = 0.0
    """Of the driver."""
    tear: float = 0.0
    """Of the driver while it writes to its journal: only some of what it has decided stands there."""
    saves: bool = True
    """Not so a loop of the user's own that saves nothing."""


class DriverDied(Exception):
    """At this step of the world; whatever workers had in memory is gone with it."""


class World:
    def __init__(self, nature: Nature, objective: Objective, sampler: Sampler) -> None:
        self.nature = nature
        self.objective = objective
        self.sampler = sampler
        self.random = Random(nature.seed)
        self.now = 0.0
        self.workers: dict[int, Worker] = {}
        self.files: dict[str, tuple[int, float]] = {}
        """Checkpoints that exist: best epoch and its score, by name."""
        self.delivered: list[Event] = []
        self._own: list[Event] = [RunStarted(at=0.0)]
        self._asked: deque[int] = deque()
        """What a slow sampler, which has `numbers` to give, was asked for."""
        self._late: deque[Event] = deque()
        """Words of workers that are known to be lost."""
        self._born = 0
        self._size = nature.workers
        """Slices of all workers, those among them that are starting."""
        self._wide: list[int] = []
        """What workers are to hold that are starting, where that is more than one slice."""
        self.begun = 0
        """How many trials the world has heard of."""
        self._wake_at: float | None = None
        self._steps = 0

    # As a backend.

    def wait(self) -> Sequence[Event]:
        while not (heard := self._heard()):
            self._steps += 1
            assert self._steps < MOST_STEPS, "the run does not come to its end"
            self._happen()
        self.delivered += heard
        return heard

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Train):
                self.begun = max(self.begun, instruction.assignment.trial + 1)
            match instruction:
                case Train() | Pause() if instruction.worker in self.workers:
                    self.workers[instruction.worker].inbox.append(instruction)
                case Stop() if instruction.worker in self.workers:
                    self.workers[instruction.worker].stopped.add((instruction.trial, instruction.attempt))
                case Suspend() if instruction.worker in self.workers:
                    self.workers[instruction.worker].suspended.add((instruction.trial, instruction.attempt))
                case Dismiss() if instruction.worker in self.workers:
                    self._dismiss(instruction)
                case Propose():
                    self._asked.append(instruction.number)
                case Discard():
                    self.files.pop(instruction.checkpoint.name)
                case WakeAt():
                    self._wake_at = instruction.time

    def _heard(self) -> list[Event]:
        events, self._own = self._own, []
        for worker in self.workers.values():
            if worker.outbox and self.random.random() < 0.5:
                count = self.random.randint(1, len(worker.outbox))
                events += [worker.outbox.popleft() for _ in range(count)]
        if self._late and self.random.random() < 0.3:
            events.append(self._late.popleft())
        while self._asked and self.random.random() < 0.3:
            events.append(self._answer_of_sampler(self._asked.popleft()))
        if self._wake_at is not None and self.now >= self._wake_at:
            self._wake_at = None
            events.append(TimeReached(at=self.now))
        return [msgspec.structs.replace(event, at=self.now) for event in events]

    def _answer_of_sampler(self, number: int) -> Event:
        try:
            configuration = self.sampler.configuration(number)
        except Exhausted as exhausted:
            return SamplerExhausted(at=self.now, number=number, reason=str(exhausted))
        return ConfigurationProposed(at=self.now, number=number, configuration=configuration)

    # What happens next.

    def _happen(self) -> None:
        self.now += self.nature.pace * self.random.random()
        if self._staff < self._size and self.random.random() < 0.5:
            self._join()
        elif self._wide and self.random.random() < 0.2:
            self._join(self._wide.pop())
        elif self.workers and self.random.random() < self.nature.loss:
            cause = self.random.choice(["died", "died", "node died", "preempted", "out of memory"])
            self._lose(self.random.choice(list(self.workers.values())), cause)
        elif self._chance(self.nature.death):
            raise DriverDied
        elif self.workers and self._chance(self.nature.upset):
            self._upset(self.random.choice(list(self.workers.values())))
        elif self.random.random() < self.nature.stop_request:
            self._own.append(StopRequested(at=self.now, reason="somebody wants it"))
        elif self.begun and self._chance(self.nature.trial_stop):
            number = self.random.randrange(self.begun)
            self._own.append(TrialStopRequested(at=self.now, trial=number, reason="somebody wants it"))
        elif ready := [worker for worker in self.workers.values() if worker.can_work()]:
            self._work(self.random.choice(ready))
        elif self._everybody_waits():
            assert self._wake_at is not None, "everybody waits for somebody else"
            self.now = max(self.now, self._wake_at)

    def _everybody_waits(self) -> bool:
        said = any(worker.outbox for worker in self.workers.values())
        return not self._asked and not said and not self._wide and self._staff >= self._size

    @property
    def _staff(self) -> int:
        return sum(worker.slices for worker in self.workers.values()) + sum(self._wide)

    def _join(self, slices: int = 1) -> None:
        self.workers[self._born] = Worker(self._born, slices)
        joined = WorkerJoined(at=self.now, worker=self._born, node=node_of(self._born), gpus="0", slices=slices)
        self._own.append(joined)
        self._born += 1

    def _dismiss(self, dismissed: Dismiss) -> None:
        self._lose(self.workers[dismissed.worker], "dismissed")
        if dismissed.slices == 0:
            self._size = min(self._size, self._staff)
        elif dismissed.slices > 1:
            self._wide.append(dismissed.slices)

    def _upset(self, worker: Worker) -> None:
        training = worker.training
        fate = self.random.choice(["worn out", "drains", "hangs", "delayed"])
        if fate == "worn out":
            worker.outbox.append(WorkerWornOut(at=self.now, worker=worker.number, reason="it grew"))
        elif fate == "drains" and node_of(worker.number) != node_of(0):
            self._own.append(NodeDraining(at=self.now, node=node_of(worker.number), reason="preemption"))
        elif fate == "hangs" and training is not None:
            training.hangs = True
        elif fate == "delayed" and training is not None:
            worker.outbox.append(CheckpointDelayed(at=self.now, **self._identity(training), reason="disk full"))

    def revive(self, state: State, changed: dict[str, Any]) -> None:
        """After the driver died: no worker is left, of the files those that were committed, and some are damaged."""
        self.workers.clear()
        self._wide.clear()
        self._size = self.nature.workers
        self._late.clear()
        self._asked.clear()
        self.begun = len(state.trials)
        self._wake_at = state.wake_at = None
        self.now = state.now
        self._own = [RunResumed(at=self.now, settings=changed)]
        committed = {c.name for trial in state.trials for c in (trial.checkpoint, trial.previous) if c is not None}
        committed |= state.superseded.keys()
        self.files = {name: best for name, best in self.files.items() if name in committed}
        for trial in state.trials:
            if trial.checkpoint is not None and not trial.status.ended and self._chance(self.nature.upset):
                attempt = trial.attempt + (trial.holder is not None)
                self._own.append(self._damaged(trial.number, attempt, trial.checkpoint.name))

    def _damaged(self, trial: int, attempt: int, name: str) -> Event:
        return CheckpointDamaged(at=self.now, trial=trial, attempt=attempt, name=name, reason="its hash is wrong")

    def _lose(self, worker: Worker, cause: Any = "died") -> None:
        del self.workers[worker.number]
        if self.random.random() < 0.5:
            self._late += worker.outbox
        self._own.append(WorkerLost(at=self.now, worker=worker.number, reason="its node died", cause=cause))

    def _work(self, worker: Worker) -> None:
        training = worker.training
        if training is None:
            self._begin(worker, worker.inbox.popleft())
        elif training.key in worker.stopped:
            self._stop(worker, training)
        elif training.key in worker.suspended:
            self._suspend(worker, training)
        elif not training.asks:
            self._train(worker, training)
        else:
            self._answer(worker, training, worker.inbox.popleft())

    # A worker's work.

    def _begin(self, worker: Worker, command: Train | Pause) -> None:
        key = key_of(command)
        if isinstance(command, Pause):
            assert key in worker.over, f"{command}: the worker does not have the trial"
            return
        assignment = command.assignment
        assert assignment.after_epoch < assignment.to_epoch or assignment.after_epoch == assignment.max_epochs
        if assignment.after_epoch > 0 and assignment.start is None:
            assert key in worker.over, f"{command}: the worker does not have the trial in its memory"
            return
        worker.over.discard(key)
        training = worker.training = Training(assignment, assignment.after_epoch)
        if key in worker.stopped | worker.suspended:
            self._end(worker, training, TrialReleased(at=self.now, **self._identity(training)))
            return
        if assignment.start is not None:
            assert assignment.start.epoch == assignment.after_epoch
            training.best_epoch, training.best_score = self.files[assignment.start.name]
        if assignment.after_epoch >= assignment.max_epochs:
            self._complete(worker, training)

    def _train(self, worker: Worker, training: Training) -> None:
        if self._chance(self.nature.failure):
            self._fail(worker, training)
            return
        epoch = training.epoch + 1
        fate = self.random.choice(["value", "loss", "within"]) if self._chance(self.nature.divergence) else ""
        if fate != "within":
            self._report(worker, training, nan if fate == "value" else None, loss=nan if fate == "loss" else 1.0)
        if fate:
            reason = f"{fate} became nan"
            self._end(
                worker, training, TrialDiverged(at=self.now, **self._identity(training), epoch=epoch, reason=reason)
            )
        elif training.epoch == training.assignment.max_epochs or self._chance(self.nature.early_end):
            self._complete(worker, training)
        elif training.epoch == training.assignment.to_epoch:
            training.asks = True
        elif self._chance(0.2):
            self._save(worker, training, training.epoch)

    def _report(self, worker: Worker, training: Training, value: float | None, loss: float) -> None:
        training.epoch += 1
        trial, attempt = training.key
        draw = Random(f"{self.nature.seed} {trial} {training.epoch} {attempt}")
        metrics = {"val": round(draw.random(), 1) if value is None else value, "loss": loss}
        worker.outbox.append(
            TrialReported(
                at=self.now, **self._identity(training), epoch=training.epoch, metrics=metrics, seconds=draw.random()
            )
        )
        score = self.objective.score(metrics)
        if isfinite(score) and isfinite(loss) and score > training.best_score:
            training.best_epoch, training.best_score = training.epoch, score

    def _answer(self, worker: Worker, training: Training, command: Train | Pause) -> None:
        training.asks = False
        if isinstance(command, Train):
            assert command.assignment.after_epoch == training.epoch, "it goes on where it is"
            training.assignment = command.assignment
        elif self._chance(self.nature.failure):
            self._fail(worker, training)
        else:
            self._save(worker, training, training.epoch)
            self._end(worker, training, TrialReleased(at=self.now, **self._identity(training)))

    def _stop(self, worker: Worker, training: Training) -> None:
        """Between epochs the last one can be saved, within one only the best."""
        if self._may_be_best(training):
            self._save(worker, training, training.epoch if training.asks else training.best_epoch, "-best")
        self._end(worker, training, TrialReleased(at=self.now, **self._identity(training)))

    def _suspend(self, worker: Worker, training: Training) -> None:
        """Whatever it is at: the last whole epoch is saved, unless nothing came after the start."""
        if training.epoch > training.assignment.after_epoch:
            self._save(worker, training, training.epoch)
        self._end(worker, training, TrialReleased(at=self.now, **self._identity(training)))

    def _complete(self, worker: Worker, training: Training) -> None:
        if self._may_be_best(training):
            self._save(worker, training, training.epoch)
        self._end(worker, training, TrialCompleted(at=self.now, **self._identity(training), reason="trained enough"))

    def _fail(self, worker: Worker, training: Training) -> None:
        where = f"study.py:{self.random.randint(1, 3)}"
        failed = TrialFailed(
            at=self.now,
            **self._identity(training),
            error="ValueError",
            message="no luck",
            where=where,
            traceback="…",
            bad_study=self._chance(0.03),
            kind=self.random.choice(["unknown", "exception", "exception", "configuration", "out of memory", "storage"]),
        )
        self._end(worker, training, failed)

    def _may_be_best(self, training: Training) -> bool:
        above = training.assignment.keep_above
        return training.best_epoch > 0 and (above is None or training.best_score >= above)

    def _save(self, worker: Worker, training: Training, epoch: int, what: str = "") -> None:
        if self.nature.saves and training.best_epoch > 0:
            trial, attempt = training.key
            name = f"trial-{trial}-attempt-{attempt}-epoch-{epoch}{what}"
            checkpoint = Checkpoint(
                name=name, trial=trial, epoch=epoch, best_epoch=training.best_epoch, bytes=1, sha256=""
            )
            self.files[name] = training.best_epoch, training.best_score
            worker.outbox.append(CheckpointSaved(at=self.now, trial=trial, attempt=attempt, checkpoint=checkpoint))

    def _end(self, worker: Worker, training: Training, word: Event) -> None:
        worker.outbox.append(word)
        worker.over.add(training.key)
        worker.training = None

    def _identity(self, training: Training) -> dict[str, int]:
        trial, attempt = training.key
        return {"trial": trial, "attempt": attempt}

    def _chance(self, rate: float) -> bool:
        return self.random.random() < rate
