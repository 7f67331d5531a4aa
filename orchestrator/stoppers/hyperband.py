"""Asynchronous Hyperband (Li et al., JMLR 2018; asynchronous as in Li et al., MLSys 2020, section 3.3).

- Bracket s is an ASHA of its own whose first rung is grace * eta**s, so trials compete with those of their bracket
  only; the last bracket has no rung at all: its trials train to max epochs. What happens within a bracket, and which
  value counts, is said in `asha.py` and `rungs.py`.
- Brackets get trials in Hyperband's proportions: with S + 1 brackets, ceil((S + 1) / (S - s + 1) * eta**(S - s)) for
  bracket s. A trial's bracket follows from its number n alone: from the fractional part of n * sqrt(2), which spreads
  evenly however many trials there are. (The golden ratio is left to samplers, so that no bracket sees one part of a
  search space only.)
- A free worker takes the promotable trial that would train to the highest epoch, of whichever bracket; of equals the
  one of the lower bracket.
- With `grace=auto` the probes of `grace.py` are of the bracket whose first rung is the epoch compared. From the choice
  on, the brackets whose first rung lies before it get no new trials, and the others share them in the proportions of a
  Hyperband that begins there.
- When nothing else is left, `finalists` are the paused trials of all brackets, highest rung first, best first.
- A grace of max epochs or more leaves the one bracket without rungs.
- Direction "min" was turned at the door: here larger is better.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import sqrt
from typing import Any

from orchestrator.adaptation import Adaptation
from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.base import Promotion, Stopper, Verdict
from orchestrator.stoppers.grace import Grace


class Hyperband(Stopper):
    pauses = True
    promotes_together = True

    def __init__(
        self,
        max_epochs: int,
        objective: Objective,
        trials: int | None = None,
        *,
        grace: int | str = "auto",
        eta: int = 3,
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        self.eta = whole("eta", eta, 2)
        self.grace = Grace(grace, eta, max_epochs, trials)
        self.firsts = [*self.grace.epochs, max_epochs]
        """The first rung of each bracket."""
        self.brackets = [Asha(max_epochs, objective, trials, grace=first, eta=eta) for first in self.firsts]
        self.shares = [_shares(len(self.firsts) - lowest, eta) for lowest in range(len(self.firsts))]
        """When the lowest bracket in use is this one: the upper ends of each one's share in (0, 1]."""

    def bracket_of(self, trial: int) -> int:
        lowest = self.firsts.index(self.grace.first(trial))
        if self.grace.is_probe(trial):
            return lowest
        return lowest + bisect_right(self.shares[lowest], trial * sqrt(2) % 1)

    # Asked.

    def horizon(self, trial: int, epoch: int) -> int:
        return self._bracket(trial).horizon(trial, epoch)

    def judge(self, trial: int, epoch: int) -> Verdict:
        verdict = self._bracket(trial).judge(trial, epoch)
        return Verdict(verdict.action, self._told_of(trial, verdict.reason))

    def promotable(self) -> Iterator[Promotion]:
        each = [self._named(bracket.promotable()) for bracket in self.brackets]
        return heapq.merge(*each, key=lambda promotion: -promotion.to_epoch)

    def finalists(self) -> Iterator[Promotion]:
        waiting = [
            (-rung.epoch, score, number, arrival, trial)
            for number, bracket in enumerate(self.brackets)
            for rung in bracket.ladder.rungs
            for score, arrival, trial in rung.waiting
        ]
        for _, _, _, _, trial in sorted(waiting):
            yield Promotion(trial, self.max_epochs, f"nothing else is left: {self.standing(trial)}")

    def standing(self, trial: int) -> str:
        return self._told_of(trial, self._bracket(trial).standing(trial))

    def adaptation(self) -> Adaptation | None:
        return self.grace.adaptation()

    # Told.

    def begun(self, trial: int) -> None:
        self.grace.begun(trial)

    def reported(self, trial: int, epoch: int, score: float) -> None:
        self._bracket(trial).reported(trial, epoch, score)
        self.grace.reported(trial, epoch, score)

    def diverged(self, trial: int) -> None:
        self._bracket(trial).diverged(trial)
        self.grace.ended(trial)

    def withdrawn(self, trial: int) -> None:
        self._bracket(trial).withdrawn(trial)
        self.grace.withdrawn(trial)

    def paused(self, trial: int) -> None:
        self._bracket(trial).paused(trial)

    def resumed(self, trial: int) -> None:
        self._bracket(trial).resumed(trial)

    def ended(self, trial: int) -> None:
        self._bracket(trial).ended(trial)
        self.grace.ended(trial)

    def closed(self) -> None:
        self.grace.closed()

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.grace.adapted(settings)

    def _bracket(self, trial: int) -> Asha:
        return self.brackets[self.bracket_of(trial)]

    def _told_of(self, trial: int, reason: str) -> str:
        number = self.bracket_of(trial)
        return f"bracket {number} of {len(self.brackets)} (from epoch {self.firsts[number]}): {reason}"

    def _named(self, promotions: Iterator[Promotion]) -> Iterator[Promotion]:
        for promotion in promotions:
            yield Promotion(promotion.trial, promotion.to_epoch, self._told_of(promotion.trial, promotion.reason))


def _shares(brackets: int, eta: int) -> list[float]:
    """The upper ends of the brackets' shares of the trials, the last of them left out, for it is 1.

    >>> [round(share * 49) for share in _shares(4, 3)]
    [27, 39, 45]
    """
    sizes = [-(-brackets * eta**left // (left + 1)) for left in reversed(range(brackets))]
    return [size / sum(sizes) for size in accumulate(sizes)][:-1]
