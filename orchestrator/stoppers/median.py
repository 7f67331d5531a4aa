"""The median stopping rule (Golovin et al., "Google Vizier", KDD 2017, section 3.2.2).

- A trial stops at epoch e when its best score up to e is below the median, over the other trials that have reached e,
  of the means of their scores up to e. A tie goes on.
- At least `least` (5) other trials must have reached e. Nothing stops before the grace epoch (1), and nothing at all
  when that is max epochs or more. There are no rungs here, so there is no first one to choose by itself.
- The median is numpy's: the mean of the two middle values where their number is even.
- What another trial has at e is its running mean when it first reported e; another attempt does not change it. A
  trial's own best is over all that it ever reported, in attempts that were given up too.
- The others count with what they have at e whenever they arrived there; a report that jumps over e leaves its trial
  out there.
- NaN and infinity are left out of means, and a trial that diverged has none at later epochs. A failed trial counts
  nowhere. A trial never pauses, so nothing is promotable or left over.
- Direction "min" was turned at the door: here larger is better.
"""

from math import inf, isfinite

from sortedcontainers import SortedList

from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.base import Stopper, Verdict


class Progress:
    """One trial's scores so far: their sum and best, and its running mean at each epoch."""

    __slots__ = ("best", "means", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.best = -inf
        self.means: dict[int, float] = {}


class Median(Stopper):
    def __init__(
        self, max_epochs: int, objective: Objective, trials: int | None = None, *, grace: int = 1, least: int = 5
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        self.grace = whole("grace", grace, 1)
        self.least = whole("least", least, 1)
        self.progress: dict[int, Progress] = {}
        self.means_at: dict[int, SortedList[float]] = {}

    def horizon(self, trial: int, epoch: int) -> int:
        return min(max(epoch + 1, self.grace), self.max_epochs)

    def judge(self, trial: int, epoch: int) -> Verdict:
        if epoch < self.grace:
            return Verdict("go on", f"epoch {epoch} is before the grace epoch {self.grace}")
        progress = self.progress[trial]
        others = len(self.means_at[epoch]) - (epoch in progress.means) if epoch in self.means_at else 0
        if others < self.least:
            return Verdict("go on", f"epoch {epoch}: {others} other trials are too few to compare, {self.least} needed")
        median = self._median_of_others(epoch, progress.means.get(epoch))
        best, middle = self.objective.turn(progress.best), self.objective.turn(median)
        numbers = f"the median {middle:.6g} of {others} others at epoch {epoch}"
        if progress.best < median:
            return Verdict("stop", f"best {best:.6g} is worse than {numbers}")
        return Verdict("go on", f"best {best:.6g} is not worse than {numbers}")

    def reported(self, trial: int, epoch: int, score: float) -> None:
        if not isfinite(score):
            return
        progress = self.progress.setdefault(trial, Progress())
        progress.best = max(progress.best, score)
        if epoch > max(progress.means, default=0):
            progress.total += score
            progress.means[epoch] = progress.total / (len(progress.means) + 1)
            self.means_at.setdefault(epoch, SortedList()).add(progress.means[epoch])

    def withdrawn(self, trial: int) -> None:
        for epoch, mean in self.progress.pop(trial, Progress()).means.items():
            self.means_at[epoch].remove(mean)

    def _median_of_others(self, epoch: int, own: float | None) -> float:
        """numpy.median of the means at an epoch but one, in O(log n)."""
        means = self.means_at[epoch]
        skip = len(means) if own is None else means.bisect_left(own)
        count = len(means) - (own is not None)

        def nth(place: int) -> float:
            return float(means[place + (place >= skip)])

        return (nth((count - 1) // 2) + nth(count // 2)) / 2
