"""Stops a trial that no longer improves.

- A trial stops at the first epoch that is `epochs` or more after its best one, if that is before max epochs.
- Its best epoch is the last whose score was above the best before it by more than `min_delta` (0), in the metric's
  units; so a tie is no improvement, and small steps count once their sum is large enough, as in Keras's EarlyStopping.
- The first score counts as an improvement: the first trial to stop does so at epoch 1 + `epochs` at the earliest.
- It is asked for at the first epoch at which it could stop, not at each one.
- Of an epoch that another attempt trains again, the first value stands. An epoch that a report jumps over is just not
  reported. NaN and infinity improve nothing; they end the trial elsewhere.
- Other trials do not count: neither the first nor the last to arrive, nor one that failed, is special; nothing pauses,
  is promoted or left over.
- Direction "min" was turned at the door: here larger is better.
"""

from math import inf, isfinite
from typing import NamedTuple

from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.base import Stopper, Verdict


class Best(NamedTuple):
    score: float = -inf
    epoch: int = 1
    """Before the first report, the epoch at which that is due."""
    seen: int = 0
    """The last epoch reported."""


class Patience(Stopper):
    def __init__(
        self,
        max_epochs: int,
        objective: Objective,
        trials: int | None = None,
        *,
        epochs: int = 5,
        min_delta: float = 0.0,
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        self.epochs = whole("epochs", epochs, 1)
        if isinstance(min_delta, (str, bool)) or not 0 <= min_delta < inf:
            raise ValueError(f"min_delta is {min_delta}: use a number of at least 0, in the metric's units")
        self.min_delta = min_delta
        self.best: dict[int, Best] = {}

    def horizon(self, trial: int, epoch: int) -> int:
        return min(max(self._best(trial).epoch + self.epochs, epoch + 1), self.max_epochs)

    def judge(self, trial: int, epoch: int) -> Verdict:
        best = self._best(trial)
        since = epoch - best.epoch
        more = f" by more than {self.min_delta:g}" if self.min_delta else ""
        numbers = f"best {self.objective.turn(best.score):.6g} at epoch {best.epoch}"
        if since >= self.epochs:
            return Verdict("stop", f"no improvement{more} for {since} epochs, {self.epochs} allowed: {numbers}")
        return Verdict("go on", f"{numbers}, {since} of {self.epochs} epochs ago")

    def reported(self, trial: int, epoch: int, score: float) -> None:
        best = self._best(trial)
        if not isfinite(score) or epoch <= best.seen:
            return
        if score - best.score > self.min_delta:
            best = Best(score, epoch)
        self.best[trial] = best._replace(seen=epoch)

    def diverged(self, trial: int) -> None:
        self.best.pop(trial, None)

    def withdrawn(self, trial: int) -> None:
        self.best.pop(trial, None)

    def ended(self, trial: int) -> None:
        self.best.pop(trial, None)

    def _best(self, trial: int) -> Best:
        return self.best.get(trial, Best())
