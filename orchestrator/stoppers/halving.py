"""Synchronous successive halving (Jamieson and Talwalkar, AISTATS 2016), cohort after cohort.

What a rung is, and who counts at it with what value, is said in `rungs.py`; where the first one is, in `grace.py`.

- Trials form cohorts in the order of their numbers; `cohort` of them each, or eta**(number of rungs), so that one of
  them gets to max epochs. Trials are compared within their cohort only.
- All of a cohort pause at a rung until nobody is on the way there any more. Then the top floor(n / eta) of the n that
  have reached it, but at least one, go on to the next rung, and the others wait for nothing further.
- A trial that ends, fails or diverges on the way holds up nobody; nor does a lost one for longer than its next attempt
  takes. A diverged trial has a place among the n, a failed one has none: should one fail that had gone on, its place
  goes to the next in rank, where there is still one within the top.
- While a cohort waits for its last trials, workers train another that has some to go on, the one at the highest rung
  first, the older of equals; else they begin new trials: the rest of the cohort, or the next.
- Once no trial will be begun any more, the last cohort counts with those that it has.
- With `grace=auto` the rungs of a cohort are those from the first rung of its first trial on; a cohort that is not
  full when the first rung changes stays as it is, and the next trial begins another.
- When nothing else is left, `finalists` are the paused trials, highest rung first, best first.
- A grace of max epochs or more leaves no rung: every trial trains to the end.
- Direction "min" was turned at the door: here larger is better.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sortedcontainers import SortedSet

from orchestrator.adaptation import Adaptation
from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.base import Promotion, Stopper, Verdict
from orchestrator.stoppers.grace import Grace
from orchestrator.stoppers.laddered import between_rungs
from orchestrator.stoppers.rungs import Ladder, Rung


class Cohort:
    """Trials with consecutive numbers that are compared with each other."""

    def __init__(self, number: int, first: int, rungs: list[int], size: int, eta: int) -> None:
        self.number = number
        self.first = first
        self.size = size
        self.eta = eta
        self.ladder = Ladder(rungs)
        self.begun = 0
        self.full = False
        self.on_the_way: list[set[int]] = [set() for _ in range(len(rungs) + 1)]
        """To each rung, and to max epochs."""
        self.open_epoch: int | None = None
        """Where some of it are to go on."""

    def begin(self, trial: int) -> None:
        self.begun += 1
        self.full = self.begun >= self.size
        self.on_the_way[0].add(trial)

    def top(self, rung: Rung) -> int:
        return max(len(rung.entries) // self.eta, 1)

    def open_rung(self) -> Rung | None:
        """Where everybody has arrived and some are still to go on."""
        for rung, coming in zip(self.ladder.rungs, self.on_the_way, strict=False):
            if coming or not self.full:
                return None
            if next(rung.waiting_within(self.top(rung)), None) is not None:
                return rung
        return None

    def place(self, rung: Rung, trial: int) -> str:
        return f"{rung.place(trial)} in cohort {self.number}"


class Halving(Stopper):
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
        cohort: int | None = None,
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        self.eta = whole("eta", eta, 2)
        self.grace = Grace(grace, eta, max_epochs, trials)
        self.size = None if cohort is None else whole("cohort", cohort, 1)
        self.cohorts: list[Cohort] = []
        self.starts: list[int] = []
        """The first trial of each cohort."""
        self.open: SortedSet[tuple[int, int]] = SortedSet()
        """(-epoch, cohort) of those with trials that are to go on."""

    # Asked.

    def horizon(self, trial: int, epoch: int) -> int:
        return self.grace.next_rung(trial, epoch)

    def judge(self, trial: int, epoch: int) -> Verdict:
        cohort = self._cohort(trial)
        rung = cohort.ladder.at(trial)
        if rung is None or trial not in cohort.ladder.arrived:
            return between_rungs(epoch, self.horizon(trial, epoch))
        return Verdict("pause", f"{cohort.place(rung, trial)} so far; one in {self.eta} go on once all have arrived")

    def promotable(self) -> Iterator[Promotion]:
        for _, number in self.open:
            cohort = self.cohorts[number]
            rung = cohort.open_rung()
            for trial in rung.waiting_within(cohort.top(rung)) if rung else ():
                reason = f"promoted: {cohort.place(rung, trial)}, within the top {cohort.top(rung)}"
                yield Promotion(trial, self.horizon(trial, rung.epoch), reason)

    def finalists(self) -> Iterator[Promotion]:
        waiting = [
            (-rung.epoch, score, number, arrival, trial)
            for number, cohort in enumerate(self.cohorts)
            for rung in cohort.ladder.rungs
            for score, arrival, trial in rung.waiting
        ]
        for _, _, _, _, trial in sorted(waiting):
            yield Promotion(trial, self.max_epochs, f"nothing else is left: {self.standing(trial)}")

    def standing(self, trial: int) -> str:
        cohort = self._cohort(trial)
        if (rung := cohort.ladder.at(trial)) is None:
            return super().standing(trial)
        return f"paused at {cohort.place(rung, trial)}; one in {self.eta} went on"

    def adaptation(self) -> Adaptation | None:
        return self.grace.adaptation()

    # Told.

    def begun(self, trial: int) -> None:
        self.grace.begun(trial)
        first = self.grace.first(trial)
        if not self.cohorts or self.cohorts[-1].full:
            rungs = [epoch for epoch in self.grace.epochs if epoch >= first]
            size = self.size or self.eta ** len(rungs)
            self.cohorts.append(Cohort(len(self.cohorts), first, rungs, size, self.eta))
            self.starts.append(trial)
        self.cohorts[-1].begin(trial)

    def reported(self, trial: int, epoch: int, score: float) -> None:
        cohort = self._cohort(trial)
        level = cohort.ladder.level.get(trial, 0)
        cohort.ladder.reported(trial, epoch, score)
        if cohort.ladder.level.get(trial, 0) > level:
            cohort.on_the_way[level].discard(trial)
            self._reorder(cohort)
        self.grace.reported(trial, epoch, score)

    def diverged(self, trial: int) -> None:
        self._leave(trial, Ladder.diverged)
        self.grace.ended(trial)

    def withdrawn(self, trial: int) -> None:
        self._leave(trial, Ladder.withdrawn)
        self.grace.withdrawn(trial)

    def paused(self, trial: int) -> None:
        self._leave(trial, Ladder.paused)

    def resumed(self, trial: int) -> None:
        cohort = self._cohort(trial)
        cohort.ladder.resumed(trial)
        cohort.on_the_way[cohort.ladder.level.get(trial, 0)].add(trial)
        self._reorder(cohort)

    def ended(self, trial: int) -> None:
        self._leave(trial, Ladder.ended)
        self.grace.ended(trial)

    def closed(self) -> None:
        self.grace.closed()
        self._fill_up()

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.grace.adapted(settings)
        if self.cohorts and self.cohorts[-1].first != self.grace.first(self.grace.begun_trials):
            self._fill_up()

    # Steps of it.

    def _cohort(self, trial: int) -> Cohort:
        return self.cohorts[bisect_right(self.starts, trial) - 1]

    def _fill_up(self) -> None:
        """The last cohort gets no more trials."""
        if self.cohorts:
            self.cohorts[-1].full = True
            self._reorder(self.cohorts[-1])

    def _leave(self, trial: int, told: Callable[[Ladder, int], None]) -> None:
        """It is no longer on its way to where it was heading."""
        cohort = self._cohort(trial)
        cohort.on_the_way[cohort.ladder.level.get(trial, 0)].discard(trial)
        told(cohort.ladder, trial)
        self._reorder(cohort)

    def _reorder(self, cohort: Cohort) -> None:
        if cohort.open_epoch is not None:
            self.open.discard((-cohort.open_epoch, cohort.number))
        rung = cohort.open_rung()
        cohort.open_epoch = rung.epoch if rung else None
        if cohort.open_epoch is not None:
            self.open.add((-cohort.open_epoch, cohort.number))
