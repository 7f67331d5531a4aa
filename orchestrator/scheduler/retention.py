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
        kept = state.best_saved(self.keep)
        return kept[-1].safe_score if len(kept) == self.keep else None

    def discardable(self, state: State) -> Checkpoint | None:
        if state.superseded:
            return next(iter(state.superseded.values()))
        if not state.ended_saved:
            return None
        kept = state.best_saved(min(self.keep, 1) if self._is_full(state) else self.keep)
        saved = [state.trials[number] for number in state.ended_saved] if len(kept) < len(state.ended_saved) else []
        return next((trial.checkpoint for trial in saved if trial not in kept), None)

    def _is_full(self, state: State) -> bool:
        """Beyond the cap no ended trial but the best one keeps its checkpoint, before a paused one ends for it."""
        return self.most_bytes is not None and state.checkpoint_bytes > self.most_bytes

    def excess(self, state: State) -> tuple[Trial, str] | None:
        """The paused trial that must end to make room, and why."""
        if self.most_bytes is None or not self._is_full(state):
            return None
        paused = [state.trials[number] for number in state.by_status[Status.PAUSED]]
        free = [trial for trial in paused if trial.holder is None and trial.checkpoint is not None]
        if not free:
            return None
        worst = min(free, key=lambda trial: (trial.score is not None, trial.score or 0.0, -trial.number))
        size = f"{state.checkpoint_bytes / 1e9:.3g} GB of at most {self.most_bytes / 1e9:.3g} GB (--checkpoint-bytes)"
        return worst, f"checkpoints take {size}, and it was the worst of {len(paused)} that were paused"
