"""Decisions, in the imperative: all that the scheduler ever asks for. Each that concerns a trial has a reason."""

from typing import Any, Literal

import msgspec

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.scheduler.events import Event

Outcome = Literal["done", "failed", "interrupted"]
AGAIN = "again: "
"""How the reason begins why a trial goes on that its worker had lost or let go of."""
SuspendCause = Literal["ending", "draining", "stalled"]


class Instruction(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    pass


class Train(Instruction, frozen=True):
    """Give a worker an assignment. It starts at once, or (`queued`) behind the trial that the worker is ending."""

    worker: int
    assignment: Assignment
    reason: str
    queued: bool = False


class Pause(Instruction, frozen=True):
    """Save the trial whole and let go of it; the worker is free. `worker` is None when no worker holds it."""

    worker: int | None
    trial: int
    attempt: int
    reason: str


class Stop(Instruction, frozen=True):
    """End the trial, within a second if it is training. `worker` is None when no worker holds it."""

    worker: int | None
    trial: int
    attempt: int
    reason: str
    timed_out: bool = False
    """The trial took too long, so its worker gets no other."""


class Suspend(Instruction, frozen=True):
    """Save the trial at the next batch and let go of it; it waits to go on.

    Because the run ends for now, or the trial's node is about to be taken away, or no report has come for too long; in
    the last two cases the worker gets no other trial.
    """

    worker: int
    trial: int
    attempt: int
    reason: str
    cause: SuspendCause = "ending"


class Dismiss(Instruction, frozen=True):
    """End a worker's process. The one that takes its place holds so many slices of a GPU; with 0 none does."""

    worker: int
    reason: str
    slices: int = 1


class GiveUp(Instruction, frozen=True):
    """A waiting trial has failed for good: it has been tried as often as its kind of failure allows."""

    trial: int
    attempt: int
    reason: str


class Propose(Instruction, frozen=True):
    """Ask a slow sampler, aside, for the configuration of the trial that will have this number."""

    number: int


class Adapt(Instruction, frozen=True):
    """The sampler or the stopper goes on with these settings of its own."""

    part: Literal["sampler", "stopper"]
    settings: dict[str, Any]
    reason: str


class StopSampling(Instruction, frozen=True):
    """Ask for no more configurations."""

    reason: str


class Discard(Instruction, frozen=True):
    """Delete a checkpoint that nothing needs any more."""

    checkpoint: Checkpoint


class WakeAt(Instruction, frozen=True):
    """Send `TimeReached` at this time of the run's clock."""

    time: float


class EndRun(Instruction, frozen=True):
    """Begin no more and stop what is left. Once decided it stands, whatever is reported afterwards."""

    outcome: Outcome
    reason: str


class Finish(Instruction, frozen=True):
    """The run is over; nothing is held by any worker that could still be saved."""

    outcome: Outcome
    reason: str


AnyInstruction = (
    Train
    | Pause
    | Suspend
    | Stop
    | Dismiss
    | GiveUp
    | Propose
    | Adapt
    | StopSampling
    | Discard
    | WakeAt
    | EndRun
    | Finish
)

Record = Event | Instruction
"""What a journal holds: a fact, or a decision."""


def without_undone_pauses(decided: list[Instruction]) -> list[Instruction]:
    """What of the decisions on one event is to be carried out.

    A pause that is undone in the same breath never reaches the worker: the trial goes on in its memory.
    """
    resumed = {
        (train.worker, train.assignment.trial)
        for train in decided
        if isinstance(train, Train) and train.assignment.after_epoch > 0 and train.assignment.start is None
    }
    return [step for step in decided if not (isinstance(step, Pause) and (step.worker, step.trial) in resumed)]
