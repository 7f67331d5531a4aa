"""The one thing training knows of the world around it, and how training can end."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.assignment import Assignment, Checkpoint

Verdict = Assignment | Literal["pause", "stop"]

Interruption = Literal["pause", "stop"]

FailureKind = Literal["exception", "configuration", "out of memory", "storage"]
"""What a failure says about trying again.

exception: it may go better another time. configuration: raised before anything was trained, so it never will. out of
memory: it may, in a fresh worker. storage: a disk or a store refused, which is nobody's mistake.
"""

Loop = Literal["auto", "fit"]
"""How a model from `build` is trained: an epoch in one graph where that can be, or by Keras's own `fit`."""

Activity = Literal["start", "data", "build", "trace", "train", "checkpoint", "wait"]
"""What a worker's time goes into, one at a time: until it is ready, data, the model, TensorFlow's graph of it, epochs,
checkpoints, and waiting for what is next."""


class Link(Protocol):
    """How the training of one trial talks to whoever asked for it. `verdict` waits for an answer."""

    def built(self, structure: str, reused: bool) -> None:
        """The model is there. Models of one structure can share a compiled graph; `reused`: this one does already."""

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        """One epoch is trained and validated."""

    def interruption(self) -> Interruption | None:
        """Asked at every batch, so it is cheap. Training then ends as after that verdict, without waiting for it.

        A pause is urgent, as when the node is to be taken away: it saves what was reported, and lets go. A stop may
        follow it, nothing takes either back.
        """

    def verdict(self) -> Verdict:
        """Wait for what follows `to_epoch`: the next assignment of the same attempt, a pause, or the end."""

    def save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        """Store a checkpoint durably and announce it, unless the trial is to stop meanwhile.

        Beside what goes on: it may return before it has packed it, and waits only for the save before. What is said
        of the trial's end comes after.
        """

    def load(self, checkpoint: Checkpoint) -> bytes:
        """The content of a stored checkpoint, verified; OSError when it is missing or damaged."""

    def during(self, activity: Activity) -> AbstractContextManager[None]:
        """What the time within goes into, until something else does; elsewhere it goes into "train"."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Training reached max epochs, or ended by itself before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Diverged:
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """`bad_study`: a mistake that every trial would share, so that going on makes no sense."""

    error: str
    message: str
    where: str
    traceback: str
    kind: FailureKind
    bad_study: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """The verdict was a pause or a stop, and it is carried out."""


Ending = Completed | Diverged | Failed | Released
