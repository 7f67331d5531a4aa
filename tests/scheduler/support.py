"""Events by short names, instructions compared by what a test says of them, and a brain that checks itself."""

from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

import msgspec
from sortedcontainers import SortedList, SortedSet

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Checkpoint
from orchestrator.objective import Objective
from orchestrator.ranking import Ranking
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.closing import Closing
from orchestrator.scheduler.events import (
    CheckpointDamaged,
    CheckpointDelayed,
    CheckpointSaved,
    ConfigurationProposed,
    Event,
    FailureKind,
    LossCause,
    NodeDraining,
    RunResumed,
    RunStarted,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    TrialBuilt,
    TrialCompleted,
    TrialDiverged,
    TrialFailed,
    TrialReleased,
    TrialReported,
    WorkerJoined,
    WorkerLost,
    WorkerSpent,
    WorkerWornOut,
)
from orchestrator.scheduler.instructions import (
    Discard,
    Dismiss,
    EndRun,
    Finish,
    GiveUp,
    Instruction,
    Pause,
    Propose,
    Record,
    Stop,
    StopSampling,
    Suspend,
    Train,
    WakeAt,
)
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.scheduler.tolerance import Tolerance
from orchestrator.scheduler.trial import Trial
from orchestrator.scheduler.validation import validate
from orchestrator.stoppers import make_stopper
from search_spaces import Int, Space

# Events. What a test does not say is the same everywhere: attempt 1, at 0 s.


def started() -> RunStarted:
    return RunStarted(at=0.0)


def resumed(at: float = 0.0, **settings: Any) -> RunResumed:
    return RunResumed(at=at, settings=settings)


def joined(worker: int, at: float = 0.0, node: str = "a", gpus: str = "", slices: int = 1) -> WorkerJoined:
    return WorkerJoined(at=at, worker=worker, node=node, gpus=gpus, slices=slices)


def lost(worker: int, at: float = 0.0, cause: LossCause = "died") -> WorkerLost:
    return WorkerLost(at=at, worker=worker, reason="its node died", cause=cause)


def worn_out(worker: int, at: float = 0.0) -> WorkerWornOut:
    return WorkerWornOut(at=at, worker=worker, reason="its memory grew")


def spent(worker: int, at: float, **seconds: float) -> WorkerSpent:
    return WorkerSpent(at=at, worker=worker, seconds=seconds)


def draining(node: str, at: float = 0.0) -> NodeDraining:
    return NodeDraining(at=at, node=node, reason="it is preempted")


def built(trial: int, attempt: int = 1, structure: str = "dense", at: float = 0.0) -> TrialBuilt:
    return TrialBuilt(at=at, trial=trial, attempt=attempt, structure=structure, reused=False)


def reported(
    trial: int, epoch: int, value: float, attempt: int = 1, at: float = 0.0, **metrics: float
) -> TrialReported:
    return TrialReported(
        at=at, trial=trial, attempt=attempt, epoch=epoch, metrics={"val": value, **metrics}, seconds=1.0
    )


def checkpoint(trial: int, epoch: int, best: int | None = None, attempt: int = 1) -> Checkpoint:
    name = f"trial-{trial}-attempt-{attempt}-epoch-{epoch}"
    return Checkpoint(name=name, trial=trial, epoch=epoch, best_epoch=best or epoch, bytes=1, sha256="")


def saved(trial: int, epoch: int, best: int | None = None, attempt: int = 1, at: float = 0.0) -> CheckpointSaved:
    return CheckpointSaved(at=at, trial=trial, attempt=attempt, checkpoint=checkpoint(trial, epoch, best, attempt))


def delayed(trial: int, attempt: int = 1, at: float = 0.0) -> CheckpointDelayed:
    return CheckpointDelayed(at=at, trial=trial, attempt=attempt, reason="the disk is full")


def damaged(trial: int, epoch: int, attempt: int = 1, saved_by: int = 1, at: float = 0.0) -> CheckpointDamaged:
    name = checkpoint(trial, epoch, attempt=saved_by).name
    return CheckpointDamaged(at=at, trial=trial, attempt=attempt, name=name, reason="its hash is wrong")


def released(trial: int, attempt: int = 1, at: float = 0.0) -> TrialReleased:
    return TrialReleased(at=at, trial=trial, attempt=attempt)


def completed(trial: int, attempt: int = 1, at: float = 0.0, seconds: float = 0.0) -> TrialCompleted:
    return TrialCompleted(at=at, trial=trial, attempt=attempt, reason="reached the last epoch", seconds=seconds)


def diverged(trial: int, epoch: int = 1, attempt: int = 1, at: float = 0.0) -> TrialDiverged:
    return TrialDiverged(at=at, trial=trial, attempt=attempt, epoch=epoch, reason="loss became nan")


def failed(
    trial: int,
    attempt: int = 1,
    where: str = "",
    bad_study: bool = False,
    at: float = 0.0,
    kind: FailureKind = "unknown",
) -> TrialFailed:
    return TrialFailed(
        at=at,
        trial=trial,
        attempt=attempt,
        error="ValueError",
        message=f"no luck in trial {trial}",
        where=where or f"study.py:{trial}",
        traceback="Traceback …",
        bad_study=bad_study,
        kind=kind,
    )


def stop_requested(at: float = 0.0) -> StopRequested:
    return StopRequested(at=at, reason="interrupted by Ctrl-C")


def time_reached(at: float) -> TimeReached:
    return TimeReached(at=at)


def paused_and_saved(trial: int, epoch: int, attempt: int = 1) -> list[Event]:
    """What a worker says once it has carried out a pause."""
    return [saved(trial, epoch, attempt=attempt), released(trial, attempt)]


# Instructions, in part.


class Some:
    """Equal to each instruction of its kind that has these fields; of a reason it is enough to contain the words."""

    def __init__(self, kind: type[Instruction], **fields: Any) -> None:
        self.kind = kind
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return type(other) is self.kind and all(self._has(other, *field) for field in self.fields.items())

    def __hash__(self) -> int:
        raise TypeError

    def __repr__(self) -> str:
        return f"{self.kind.__name__}({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"

    def _has(self, instruction: Any, name: str, expected: Any) -> bool:
        holder = next(
            part
            for part in (instruction, *(getattr(instruction, field, None) for field in ("assignment", "checkpoint")))
            if hasattr(part, name)
        )
        value = getattr(holder, name)
        return expected in value if name == "reason" else value == expected


def train(trial: int, **fields: Any) -> Some:
    return Some(Train, trial=trial, **fields)


def pause(trial: int, **fields: Any) -> Some:
    return Some(Pause, trial=trial, **fields)


def stop(trial: int, **fields: Any) -> Some:
    return Some(Stop, trial=trial, **fields)


def suspend(trial: int, **fields: Any) -> Some:
    return Some(Suspend, trial=trial, **fields)


def dismiss(worker: int, **fields: Any) -> Some:
    return Some(Dismiss, worker=worker, **fields)


def give_up(trial: int, **fields: Any) -> Some:
    return Some(GiveUp, trial=trial, **fields)


def propose(number: int) -> Propose:
    return Propose(number=number)


def proposed(number: int, at: float = 0.0) -> ConfigurationProposed:
    return ConfigurationProposed(at=at, number=number, configuration={"number": number})


def exhausted(number: int, at: float = 0.0) -> SamplerExhausted:
    return SamplerExhausted(at=at, number=number, reason=f"there are {number} numbers")


def stop_sampling(**fields: Any) -> Some:
    return Some(StopSampling, **fields)


def discard(trial: int, epoch: int, attempt: int = 1, best: int | None = None) -> Discard:
    return Discard(checkpoint=checkpoint(trial, epoch, best, attempt))


def wake_at(time: float) -> WakeAt:
    return WakeAt(time=time)


def end_run(outcome: str, **fields: Any) -> Some:
    return Some(EndRun, outcome=outcome, **fields)


def finish(outcome: str, **fields: Any) -> Some:
    return Some(Finish, outcome=outcome, **fields)


# The brain.


class Numbers(Sampler):
    """A sampler whose configurations tell the trial's number, until there are no more.

    It may be slow, and may adapt after every `adapts` trials.
    """

    def __init__(self, until: int | None = None, slow: bool = False, adapts: int | None = None) -> None:
        super().__init__(Space(number=Int(0, 10**9)), seed=0)
        self.until = until
        self.slow = slow  # type: ignore[misc]
        self.adapts = adapts
        self.count = 0
        self.round = 0

    def adaptation(self) -> Adaptation | None:
        if self.adapts is None or self.count < self.adapts * (self.round + 1):
            return None
        return Adaptation({"round": self.round + 1}, f"{self.count} trials have begun")

    def begun(self, trial: int, configuration: dict[str, Any]) -> None:
        super().begun(trial, configuration)
        self.count += 1

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.round = settings["round"]

    def configuration(self, trial: int) -> dict[str, Any]:
        if self.until is not None and trial >= self.until:
            raise Exhausted(f"there are {self.until} numbers")
        return {"number": trial}


class Brain(Scheduler):
    """Re-derives every index after every record, unless that takes too long."""

    def __init__(
        self,
        stopper: str = "asha",
        *,
        trials: int | None = 9,
        epochs: int = 9,
        direction: Any = "max",
        numbers: int | None = None,
        slow: bool = False,
        adapts: int | None = None,
        seed: int = 0,
        checked: bool = True,
        keep: int = 1,
        checkpoint_bytes: int | None = None,
        retries: int = 2,
        trial_timeout: float | None = None,
        stall_timeout: Any = None,
        queues: bool = True,
        widest: int = 1,
        finish_best: int = 0,
        repeat_best: int = 0,
        release_after: float | None = None,
        **limits: Any,
    ) -> None:
        self.checked = checked
        objective = Objective("val", direction)
        super().__init__(
            objective,
            Numbers(numbers, slow, adapts),
            make_stopper(stopper, epochs, objective, trials),
            Limits(trials=trials, **limits),
            max_epochs=epochs,
            seed=seed,
            tolerance=Tolerance(retries, trial_timeout, stall_timeout, widest),
            closing=Closing(finish_best, repeat_best, release_after),
            retention=Retention(keep, checkpoint_bytes),
            queues=queues,
        )

    def tell(self, *events: Event | Iterable[Event]) -> list[Instruction]:
        """What is decided on the last of the events."""
        decided: list[Instruction] = []
        for event in events:
            for one in [event] if isinstance(event, Event) else event:
                decided = self.handle(one)
        return decided

    def status(self, trial: int) -> str:
        return str(self.state.trials[trial].status)

    def _is_routine(self, event: Event) -> bool:
        is_routine = super()._is_routine(event)
        if is_routine and self.checked:
            assert self._decide(event) is None, event
        return is_routine

    def _apply(self, record: Record) -> Any:
        result = super()._apply(record)
        if self.checked:
            validate(self.state)
        return result


class WholeState(State):
    """Forgets nothing of trials that have ended."""

    def _settle(self, trial: Trial) -> None:
        pass


def whole(objective: Objective, records: Iterable[Record]) -> WholeState:
    state = WholeState(objective)
    for record in records:
        state.apply(record)
    return state


def begun(stopper: str = "asha", workers: int = 1, **settings: Any) -> Brain:
    """A brain whose run has started and whose workers 0, 1, … train trials 0, 1, …"""
    brain = Brain(stopper, **settings)
    brain.tell(started(), [joined(worker) for worker in range(workers)])
    return brain


def dump(thing: Any) -> Any:
    """Everything that an object knows, down to numbers and strings, to be compared."""
    if isinstance(thing, float) and isnan(thing):
        return "nan"
    if isinstance(thing, dict):
        return {key: dump(value) for key, value in thing.items()}
    if isinstance(thing, (set, frozenset)):
        return sorted(thing)
    if isinstance(thing, (list, tuple, array, deque, SortedList, SortedSet, Ranking)):
        return [dump(part) for part in thing]
    if isinstance(thing, msgspec.Struct):
        return type(thing).__name__, dump(msgspec.structs.asdict(thing))
    if type(thing).__module__.startswith(("orchestrator", "tests")) and not isinstance(thing, str):
        slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        return {name: dump(getattr(thing, name)) for name in [*slots, *getattr(thing, "__dict__", ())]}
    return thing
