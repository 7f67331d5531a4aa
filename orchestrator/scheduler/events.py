"""Facts, in the past tense: all that the scheduler ever learns of the world.

`at` is in seconds of the run's own clock, which the backend owns. Words about a trial carry the attempt they
belong to, so that those of an attempt that was given up can be told apart.
"""

from typing import Any, Literal

import msgspec

from orchestrator.assignment import Checkpoint, Configuration

FailureKind = Literal["unknown", "exception", "configuration", "out of memory", "storage"]
"""What a failure of a trial comes from, which decides how often it is tried again:

- unknown: as in journals of format 1 and 2, which knew no second try;
- exception: the user's code raised while it trained;
- configuration: it raised before anything was trained, so it would again;
- out of memory: of the host or of the GPU;
- storage: the disk is full, or a checkpoint's storage or the network refused.
"""
LossCause = Literal["died", "node died", "preempted", "out of memory", "dismissed"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    at: float


class TrialEvent(Event, frozen=True, kw_only=True):
    trial: int
    attempt: int


class RunStarted(Event, frozen=True):
    """The first event of every run."""


class RunResumed(Event, frozen=True):
    """Another driver goes on where one ended or died. None of the workers from before is there any more."""

    settings: dict[str, Any] = {}
    """Those that were changed, by name."""
    changes: list[str] = []
    """What differs from before and was accepted, a line each."""


class WorkerJoined(Event, frozen=True):
    worker: int
    node: str
    gpus: str = ""
    """The node's GPUs of which it holds a slice, or which it has to itself: "0", or "0,1"."""
    slices: int = 1
    """How wide it is: so many slices of a GPU, where trials get one."""


class WorkerLost(Event, frozen=True):
    worker: int
    reason: str
    cause: LossCause = "died"


class WorkerWornOut(Event, frozen=True):
    """A worker should be replaced, such as one whose memory has grown too far."""

    worker: int
    reason: str


class WorkerSpent(Event, frozen=True):
    """What a worker's time went into since it last said so, in seconds by activity (`training.link.Activity`).

    The first time is up to when it was ready, and the only one with "start".
    """

    worker: int
    seconds: dict[str, float]


class NodeDraining(Event, frozen=True):
    """Notice that a node is about to be taken away."""

    node: str
    reason: str


class TimeReached(Event, frozen=True):
    """The answer to `WakeAt`."""


class StopRequested(Event, frozen=True):
    """Somebody wants the run to end, by Ctrl-C, a signal or a request."""

    reason: str


class TrialStopRequested(Event, frozen=True):
    """Somebody wants one trial to end, whichever attempt at it there is by now. Nothing if it has ended already."""

    trial: int
    reason: str


class ConfigurationProposed(Event, frozen=True):
    """A slow sampler's answer to `Propose`: the configuration of the trial that will have this number."""

    number: int
    configuration: Configuration


class SamplerExhausted(Event, frozen=True):
    """A slow sampler's answer to `Propose` when it has no more to give."""

    number: int
    reason: str


class TrialBuilt(TrialEvent, frozen=True):
    """The model is there. Those of one structure can share a compiled graph; `reused`: this one does already."""

    structure: str
    reused: bool


class TrialReported(TrialEvent, frozen=True):
    """One epoch's metrics, as reported; `seconds` is what the epoch took on the worker."""

    epoch: int
    metrics: dict[str, float]
    seconds: float


class CheckpointSaved(TrialEvent, frozen=True):
    checkpoint: Checkpoint


class CheckpointDelayed(TrialEvent, frozen=True):
    """A checkpoint cannot be written for now; the worker tries again until it can."""

    reason: str


class CheckpointDamaged(TrialEvent, frozen=True):
    """A committed checkpoint is missing, or is not what was committed."""

    name: str
    reason: str


class TrialCompleted(TrialEvent, frozen=True):
    """Training reached max epochs, or ended by itself before (an EarlyStopping callback, the end of a loop).

    `seconds` is how long the worker was at it; 0.0 where it did not say.
    """

    reason: str
    seconds: float = 0.0


class TrialDiverged(TrialEvent, frozen=True):
    """The training loss became NaN or infinite within an epoch that will not be reported."""

    epoch: int
    reason: str


class TrialFailed(TrialEvent, frozen=True):
    """An attempt failed, mostly because the user's code raised. `where` is the line of the user's code, `bad_study`
    marks a mistake that every trial would share (a build that returns no model, an objective that is not reported)."""

    error: str
    message: str
    where: str
    traceback: str
    bad_study: bool = False
    kind: FailureKind = "unknown"

    @property
    def is_final(self) -> bool:
        """Another attempt would fail alike."""
        return self.bad_study or self.kind in ("unknown", "configuration")


class TrialReleased(TrialEvent, frozen=True):
    """The worker let go of a paused or stopped trial: what is not in a checkpoint by now is gone."""


AnyEvent = (
    RunStarted
    | RunResumed
    | WorkerJoined
    | WorkerLost
    | WorkerWornOut
    | WorkerSpent
    | NodeDraining
    | TimeReached
    | StopRequested
    | TrialStopRequested
    | ConfigurationProposed
    | SamplerExhausted
    | TrialBuilt
    | TrialReported
    | CheckpointSaved
    | CheckpointDelayed
    | CheckpointDamaged
    | TrialCompleted
    | TrialDiverged
    | TrialFailed
    | TrialReleased
)
