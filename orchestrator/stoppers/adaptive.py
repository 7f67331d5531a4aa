"""Asynchronous successive halving whose cuts are learned: each rung lets through as many as it has to.

A fixed cut presumes that a rung tells as much on every task. Here each rung looks at those that were best at the rung
above: how deep did they stand here? Where the first epoch tells nothing, the best above stood anywhere, and nearly all
pass; where it tells well, they stood at the top, and only a third do. What a rung is, and who counts at it, is said in
`rungs.py`; how trials pause and go on in `asha.py`.

- Rungs are grace * 2**k below max epochs, and max epochs itself, where nobody waits.
- A trial is ranked by its score s and its slope: s + LEAN (0.35) * (s - its score at the rung below); at the first rung
  by its score. The first such mark stands.
- Promotable are the top floor(share * n) of the n trials that have reached the rung. The share is 1.5 * r / n, where r
  is the deepest rank here among the best of the rung above (a fifth of those there, at least one and at most eight),
  but at least 1/3 and at most 1. Until four have reached the rung above, it is FIRST (1/2).
- The best four of the first rung may always go on: probes, from which the first shares are learned.
- With several workers nothing else leaves the first rung before as many trials have reached it as there are workers,
  so that these are compared with each other.
- With MANY (8) workers or more the share is 1/3 where it is not learned yet, and the best of a rung may always go on:
  new trials are plenty then, and time is short.
- Once no trial will begin any more, the first rung waits for nobody, and the best of every rung may go on.
- A free worker takes the promotable trial of the highest rung, and of these the best.
- A diverged trial counts once, as worst, at the next rung it would have reached, max epochs among them, and so takes
  the place of a worse one there.

A report costs O(log n): a share is brought up to date when a trial arrives at its rung or at the one above, with a rank
for each of at most eight trials.
"""

from collections.abc import Iterator
from math import floor

from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.base import Promotion
from orchestrator.stoppers.rungs import Ladder, Rung

LEAN = 0.35
PROBES = 4
ENOUGH_ABOVE = 4
BEST_ABOVE = 0.2
MOST_ABOVE = 8
SLACK = 1.5
LEAST = 1 / 3
FIRST = 1 / 2
MANY = 8


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
        self.learned: dict[int, tuple[float, str]] = {}
        """By the epoch of a rung: its share, and why."""
        self.workers = 0
        self.probes_left = PROBES
        self.is_closed = False

    # Asked.

    def promotable(self) -> Iterator[Promotion]:
        lowest = self.ladder.rungs[0]
        for rung in reversed(self.ladder.rungs):
            is_lowest = rung is lowest
            free = self.probes_left if is_lowest else 0
            top = 0 if is_lowest and self._holds(rung) else self._top(rung)
            for place, entry in enumerate(rung.waiting):
                trial = entry[2]
                if place >= free and rung.rank(entry) > top:
                    break
                why = f"within the top {top}: {self._why(rung)}" if rung.rank(entry) <= top else "a probe"
                yield Promotion(trial, self.horizon(trial, rung.epoch), f"promoted: {rung.place(trial)}, {why}")

    # Told.

    def staffed(self, workers: int) -> None:
        self.workers = max(self.workers, workers)

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

    def resumed(self, trial: int) -> None:
        rung = self.ladder.at(trial)
        if rung is self.ladder.rungs[0] and rung.entry_of[trial] in rung.waiting and self.probes_left:
            self.probes_left -= 1
        super().resumed(trial)

    def closed(self) -> None:
        super().closed()
        self.is_closed = True

    # Steps of it.

    def _holds(self, lowest: Rung) -> bool:
        return not self.is_closed and self.workers > 1 and len(lowest.entries) < self.workers

    def _learn(self, before: int, after: int) -> None:
        """Bring the shares up to date that arrivals at the rungs from `before` to below `after` bear upon."""
        rungs = self.ladder.rungs
        for level in range(max(before - 1, 0), min(after, len(rungs) - 1)) if after > before else ():
            rung, above = rungs[level], rungs[level + 1]
            if len(above.entries) < ENOUGH_ABOVE:
                self.learned.pop(rung.epoch, None)
                continue
            best = min(max(round(BEST_ABOVE * len(above.entries)), 1), MOST_ABOVE)
            deepest = max(rung.rank(rung.entry_of[trial]) for _, _, trial in above.entries[:best])
            share = min(max(SLACK * deepest / len(rung.entries), LEAST), 1.0)
            those = f"the best {best} of {len(above.entries)}" if best > 1 else f"the best of {len(above.entries)}"
            self.learned[rung.epoch] = share, f"{those} at epoch {above.epoch} stood at rank {deepest} or better here"

    def _top(self, rung: Rung) -> int:
        share = self.learned[rung.epoch][0] if rung.epoch in self.learned else self._first_share
        return max(floor(share * len(rung.entries) + 1e-9), self.is_closed or self.workers >= MANY)

    @property
    def _first_share(self) -> float:
        return LEAST if self.workers >= MANY else FIRST

    def _why(self, rung: Rung) -> str:
        return self.learned[rung.epoch][1] if rung.epoch in self.learned else "nothing is learned here yet"
