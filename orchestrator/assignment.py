"""What a worker is asked to train, and what it leaves behind."""

from typing import Any

import msgspec

Configuration = dict[str, Any]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A trial's whole state after `epoch`, in one file below `checkpoints/`.

    It exists for the run only once a `CheckpointSaved` that names it is in the journal.
    """

    name: str
    trial: int
    epoch: int
    best_epoch: int
    """The epoch whose weights are the trial's best so far; the file holds them too."""
    bytes: int
    sha256: str


class Assignment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Train the epochs `(after_epoch, to_epoch]` of one trial.

    Where the model comes from: the worker's memory if it holds this attempt at `after_epoch`, else the
    checkpoint `start`, else (`after_epoch` 0) a new model.
    """

    trial: int
    attempt: int
    configuration: Configuration
    seed: int
    after_epoch: int
    to_epoch: int
    max_epochs: int
    start: Checkpoint | None = None
    repeat_of: int | None = None
    keep_above: float | None = None
    """Best score whose weights are safe (larger is better): a trial that ends at or above it is saved first."""

    @property
    def begins_trial(self) -> bool:
        return self.attempt == 1 and self.after_epoch == 0

    @property
    def ends_trial(self) -> bool:
        return self.to_epoch >= self.max_epochs

    @property
    def title(self) -> str:
        """How the call is named in Ray's dashboard."""
        return f"trial-{self.trial} epochs {self.after_epoch + 1}-{self.to_epoch}"
