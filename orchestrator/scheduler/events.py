"""Facts, in the past tense: all that the scheduler ever learns of the world.

`at` is in seconds of the run's own clock, which the backend owns. Words about a trial carry the attempt they
belong to, so that those of an attempt that was given up can be told apart.
"""

import msgspec

from orchestrator.assignment import Checkpoint, Configuration


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    at: float


class TrialEvent(Event, frozen=True, kw_only=True):
    trial: int
    attempt: int


class RunStarted(Event, frozen=True):
    """The first event of every run."""


class WorkerJoined(Event, frozen=True):
    worker: int
    node: str


class WorkerLost(Event, frozen=True):
    worker: int
    reason: str


class TimeReached(Event, frozen=True):
    """The answer to `WakeAt`."""


class StopRequested(Event, frozen=True):
    """Somebody wants the run to end, by Ctrl-C or a signal."""

    reason: str


class ConfigurationProposed(Event, frozen=True):
    """A slow sampler's answer to `Propose`: the configuration of the trial that will have this number."""

    number: int
    configuration: Configuration


class SamplerExhausted(Event, frozen=True):
    """A slow sampler's answer to `Propose` when it has no more to give."""

    number: int
    reason: str


class TrialReported(TrialEvent, frozen=True):
    """One epoch's metrics, as reported; `seconds` is what the epoch took on the worker."""

    epoch: int
    metrics: dict[str, float]
    seconds: float


class CheckpointSaved(TrialEvent, frozen=True):
    checkpoint: Checkpoint


class TrialCompleted(TrialEvent, frozen=True):
    """Training reached max epochs, or ended by itself before (an EarlyStopping callback, the end of a loop)."""

    reason: str


class TrialDiverged(TrialEvent, frozen=True):
    """The training loss became NaN or infinite within an epoch that will not be reported."""

    epoch: int
    reason: str


class TrialFailed(TrialEvent, frozen=True):
    """The user's code raised. `where` is the line of the user's code, `bad_study` marks a mistake that every
    trial would share (a build that returns no model, an objective that is not reported)."""

    error: str
    message: str
    where: str
    traceback: str
    bad_study: bool = False


class TrialReleased(TrialEvent, frozen=True):
    """The worker let go of a paused or stopped trial: what is not in a checkpoint by now is gone."""


AnyEvent = (
    RunStarted
    | WorkerJoined
    | WorkerLost
    | TimeReached
    | StopRequested
    | ConfigurationProposed
    | SamplerExhausted
    | TrialReported
    | CheckpointSaved
    | TrialCompleted
    | TrialDiverged
    | TrialFailed
    | TrialReleased
)
