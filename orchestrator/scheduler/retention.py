"""Which checkpoints stay: those of live trials, with the one before each, and of ended trials the best few's.

Each is deleted only after the decision that nothing needs it any more is in the journal.
"""

from dataclasses import dataclass

from orchestrator.assignment import Checkpoint
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial


@dataclass(frozen=True, slots=True)
class Retention:
    keep: int = 3
    """Ended trials, the best ones, whose checkpoints stay."""
    most_bytes: int | None = None
    """Of all checkpoints together; beyond that the worst paused trials end."""

    def safe_score(self, state: State) -> float | None:
        """A trial that ends below this need not be saved."""
        return -state.saved[self.keep - 1][0] if len(state.saved) >= self.keep else None

    def discardable(self, state: State) -> Checkpoint | None:
        if state.superseded:
            return next(iter(state.superseded.values()))
        if not state.ended_saved:
            return None
        keep = min(self.keep, 1) if self._is_full(state) else self.keep
        if len(state.saved) < len(state.ended_saved):
            number = next(number for number in state.ended_saved if state.saved.score(number) is None)
        elif len(state.saved) > keep:
            _, number = state.saved[-1]
        else:
            return None
        checkpoint: Checkpoint | None = state.trials[number].checkpoint
        return checkpoint

    def _is_full(self, state: State) -> bool:
        """Beyond the cap no ended trial but the best one keeps its checkpoint, before a paused one ends for it."""
        return self.most_bytes is not None and state.checkpoint_bytes > self.most_bytes

    def excess(self, state: State) -> tuple[Trial, str] | None:
        """The paused trial that must end to make room, and why."""
        if self.most_bytes is None or not self._is_full(state):
            return None
        if not state.spare:
            return None
        worst = state.trials[state.spare[-1][1]]
        size = f"{state.checkpoint_bytes / 1e9:.3g} GB of at most {self.most_bytes / 1e9:.3g} GB (--checkpoint-bytes)"
        return worst, f"checkpoints take {size}, and it was the worst of {state.count(Status.PAUSED)} that were paused"
