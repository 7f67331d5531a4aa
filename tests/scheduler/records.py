"""Decisions as they stand in a journal, and states that are folded from records."""

from orchestrator.assignment import Assignment
from orchestrator.objective import Objective
from orchestrator.scheduler.instructions import Pause, Record, Stop, Suspend, SuspendCause, Train
from orchestrator.scheduler.state import State
from orchestrator.scheduler.validation import validate
from tests.scheduler.support import checkpoint, joined, reported, started


def train(
    trial: int,
    after: int = 0,
    to: int = 9,
    *,
    attempt: int = 1,
    worker: int = 0,
    start: bool = False,
    queued: bool = False,
) -> Train:
    assignment = Assignment(
        trial=trial,
        attempt=attempt,
        configuration={},
        seed=0,
        after_epoch=after,
        to_epoch=to,
        max_epochs=9,
        start=checkpoint(trial, after) if start else None,
    )
    return Train(worker=worker, assignment=assignment, reason="to learn", queued=queued)


def pause(trial: int, attempt: int = 1, worker: int = 0) -> Pause:
    return Pause(worker=worker, trial=trial, attempt=attempt, reason="to wait")


def stop(trial: int, attempt: int = 1, worker: int | None = 0) -> Stop:
    return Stop(worker=worker, trial=trial, attempt=attempt, reason="to end")


def suspend(trial: int, attempt: int = 1, worker: int = 0, cause: SuspendCause = "ending") -> Suspend:
    return Suspend(worker=worker, trial=trial, attempt=attempt, reason="to go on later", cause=cause)


def folded(*records: Record, direction: str = "max") -> State:
    state = State(Objective("val", "min" if direction == "min" else "max"))
    for record in records:
        state.apply(record)
        validate(state)
    return state


BEGUN = (started(), joined(0), joined(1), train(0), reported(0, 1, 0.5))
"""Workers 0 and 1, of which 0 has trained an epoch of trial 0."""
