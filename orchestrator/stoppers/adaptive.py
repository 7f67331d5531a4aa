"""Asynchronous successive halving whose cuts are learned: each rung lets through as many as it has to.

A fixed cut presumes that a rung tells as much on every task. Here each rung looks at those that were best at the rung
above: how deep did they stand here? Where the first epoch tells nothing, the best above stood anywhere, and nearly all
pass; where it tells well, they stood at the top, and only a third do. What a rung is, and who counts at it, is said in
`rungs.py`; how trials pause and go on in `asha.py`.

- Rungs are grace * 2**k below max epochs, and max epochs itself, where nobody waits.
- A trial is ranked by its score s and its slope: s + LEAN (0.35) * (s - its score at the rung below); at the first rung
  by its score. The first such mark stands.
- Promotable are the top floor(share * n) of the n trials that have reached the rung, and always the best one. The share
  is 1.5 * r / n, where r is the deepest rank here among the best of the rung above (a fifth of those there, at most
  MOST_ABOVE), but at least 1/3 and at most 1. Until ten have reached the rung above, it is 1/3.
- Nothing leaves the first rung before COMPARED (20) trials have reached it, so that the first to go on are good ones;
  once no trial will begin any more, the first rung waits for nobody.
- A free worker takes the promotable trial of the highest rung, and of these the best.
- A diverged trial counts once, as worst, at the next rung it would have reached, max epochs among them, and so takes
  the place of a worse one there.

A report costs O(log n): a share is brought up to date when a trial arrives at its rung or at the one above, with a rank
for each of at most MOST_ABOVE trials.
"""

from collections.abc import Iterator
from math import floor
from typing import NamedTuple

from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.base import Promotion, Verdict
from orchestrator.stoppers.rungs import Ladder, Rung

LEAN = 0.35
ENOUGH_ABOVE = 10
BEST_ABOVE = 0.2
MOST_ABOVE = 32
SLACK = 1.5
LEAST = 1 / 3
COMPARED = 20


class Lesson(NamedTuple):
    """What a rung learned from the one above."""

    share: float
    deepest: int
    best: int
    above: int
    epoch: int

    def __str__(self) -> str:
        return f"the best {self.best} of {self.above} at epoch {self.epoch} stood at rank {self.deepest} or better here"


class SlopeLadder(Ladder):
    """Ranks by score and slope."""

    def __init__(self, epochs: list[int]) -> None:
        super().__init__(epochs)
        self.last: dict[int, float] = {}
        """The score of each live trial at the highest rung that it has reached."""

    def mark(self, trial: int, score: float) -> float:
        before = self.last.get(trial, score)
        self.last[trial] = score
        return score + LEAN * (score - before)

    def ended(self, trial: int) -> None:
        super().ended(trial)
        self.last.pop(trial, None)


class Adaptive(Asha):
    def __init__(self, max_epochs: int, objective: Objective, trials: int | None = None, *, grace: int = 1) -> None:
        super().__init__(max_epochs, objective, trials, grace=whole("grace", grace, 1), eta=2)
        self.ladder: SlopeLadder = SlopeLadder([*self.grace.epochs, max_epochs])
        self.learned: dict[int, Lesson] = {}
        """By the epoch of a rung."""
        self.compared = COMPARED
        """So many must have reached the first rung before one of them leaves it."""

    # Asked.

    def judge(self, trial: int, epoch: int) -> Verdict:
        rung = self.ladder.at(trial)
        if rung is None or trial not in self.ladder.arrived or not self._waits(rung):
            return super().judge(trial, epoch)
        return Verdict("pause", f"{rung.place(trial)}; none goes on before {self.compared} have come")

    def promotable(self) -> Iterator[Promotion]:
        for rung in reversed(self.ladder.rungs):
            if self._waits(rung):
                return
            top = self._top(rung)
            for trial in rung.waiting_within(top):
                why = self.learned.get(rung.epoch, "nothing is learned here yet")
                reason = f"promoted: {rung.place(trial)}, within the top {top}: {why}"
                yield Promotion(trial, self.horizon(trial, rung.epoch), reason)

    # Told.

    def reported(self, trial: int, epoch: int, score: float) -> None:
        before = self.ladder.level.get(trial, 0)
        super().reported(trial, epoch, score)
        self._learn(before, self.ladder.level.get(trial, 0))

    def diverged(self, trial: int) -> None:
        level = self.ladder.level.get(trial, 0)
        super().diverged(trial)
        self._learn(level, level + 1)

    def withdrawn(self, trial: int) -> None:
        super().withdrawn(trial)
        self._learn(0, len(self.ladder.rungs))

    def closed(self) -> None:
        super().closed()
        self.compared = 0

    # Steps of it.

    def _waits(self, rung: Rung) -> bool:
        """For more trials to be compared."""
        return rung is self.ladder.rungs[0] and len(rung.entries) < self.compared

    def _learn(self, before: int, after: int) -> None:
        """Bring the shares up to date that arrivals at the rungs from `before` to below `after` bear upon."""
        rungs = self.ladder.rungs
        for level in range(max(before - 1, 0), min(after, len(rungs) - 1)) if after > before else ():
            rung, above = rungs[level], rungs[level + 1]
            if len(above.entries) < ENOUGH_ABOVE:
                self.learned.pop(rung.epoch, None)
                continue
            best = min(round(BEST_ABOVE * len(above.entries)), MOST_ABOVE)
            deepest = max(rung.rank(rung.entry_of[trial]) for _, _, trial in above.entries[:best])
            share = min(max(SLACK * deepest / len(rung.entries), LEAST), 1.0)
            self.learned[rung.epoch] = Lesson(share, deepest, best, len(above.entries), above.epoch)

    def _top(self, rung: Rung) -> int:
        share = self.learned[rung.epoch].share if rung.epoch in self.learned else LEAST
        return max(floor(share * len(rung.entries) + 1e-9), 1)
