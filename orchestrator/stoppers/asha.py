"""Asynchronous successive halving by promotion (Li et al., "A system for massively parallel hyperparameter tuning",
MLSys 2020, algorithm 2).

Rungs are the epochs grace * eta**k below max epochs, in integers; reaching max epochs completes a trial.

- A trial that reaches a rung pauses there. Its value is its score at that epoch, or at the first report past it when
  it reports none there; the first value stands, also when another attempt trains the epoch again.
- It may be promoted when it ranks among the top floor(n / eta) of the n trials that have reached the rung, itself and
  those already promoted included. The earlier arrival wins ties. The first to arrive waits: floor(1 / eta) is 0.
- A free worker takes the promotable trial of the highest rung, and of these the best.
- A diverged trial counts once, as worst, at the next rung it would have reached. A failed trial counts nowhere.
- A report that jumps over several rungs counts at each of them with the same value.
- When nothing else is left, `finalists` are the paused trials, highest rung first, best first.
- Direction "min" was turned at the door: here larger is better.
"""

from collections.abc import Iterator
from math import inf, isfinite

from sortedcontainers import SortedList

from orchestrator.objective import Objective
from orchestrator.stoppers.base import Promotion, Stopper, Verdict

Entry = tuple[float, int, int]
"""(-score, arrival, trial): sorted, the best comes first and the earlier arrival wins ties."""


def rungs_of(grace: int, eta: int, max_epochs: int) -> list[int]:
    """The epochs at which trials are judged: grace * eta**k below max epochs.

    >>> rungs_of(1, 3, 243)
    [1, 3, 9, 27, 81]
    """
    rungs = []
    rung = grace
    while rung < max_epochs:
        rungs.append(rung)
        rung *= eta
    return rungs


class Rung:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.entries: SortedList[Entry] = SortedList()
        self.entry_of: dict[int, Entry] = {}
        self.waiting: SortedList[Entry] = SortedList()
        """Of the entries, those of trials that are paused at this rung."""

    def add(self, trial: int, score: float) -> None:
        if trial not in self.entry_of:
            entry = (-score, len(self.entry_of), trial)
            self.entry_of[trial] = entry
            self.entries.add(entry)

    def withdraw(self, trial: int) -> None:
        if (entry := self.entry_of.get(trial)) is not None:
            self.entries.discard(entry)
            self.waiting.discard(entry)

    def rank(self, entry: Entry) -> int:
        """1 for the best."""
        return int(self.entries.bisect_left(entry)) + 1


class Asha(Stopper):
    def __init__(self, max_epochs: int, objective: Objective, grace: int = 1, eta: int = 3) -> None:
        super().__init__(max_epochs, objective)
        self.eta = eta
        self.rungs = [Rung(epoch) for epoch in rungs_of(grace, eta, max_epochs)]
        self.level: dict[int, int] = {}
        """How many rungs each live trial has reached."""

    def horizon(self, epoch: int) -> int:
        return next((rung.epoch for rung in self.rungs if rung.epoch > epoch), self.max_epochs)

    def judge(self, trial: int, epoch: int) -> Verdict:
        rung = self._rung_of(trial)
        return Verdict("pause", f"{self._place(rung, trial)}; the top {len(rung.entries) // self.eta} go on")

    def promotable(self) -> Iterator[Promotion]:
        for rung in reversed(self.rungs):
            top = len(rung.entries) // self.eta
            for entry in rung.waiting:
                if rung.rank(entry) > top:
                    break
                trial = entry[2]
                reason = f"promoted: {self._place(rung, trial)}, within the top {top}"
                yield Promotion(trial, self.horizon(rung.epoch), reason)

    def finalists(self) -> Iterator[Promotion]:
        for rung in reversed(self.rungs):
            for entry in rung.waiting:
                trial = entry[2]
                reason = f"nothing else is left: {self._place(rung, trial)}, the best at the highest rung"
                yield Promotion(trial, self.max_epochs, reason)

    def standing(self, trial: int) -> str:
        rung = self._rung_of(trial)
        return f"paused at {self._place(rung, trial)}; the top {len(rung.entries) // self.eta} went on"

    def reported(self, trial: int, epoch: int, score: float) -> None:
        if isfinite(score):
            while (level := self.level.get(trial, 0)) < len(self.rungs) and self.rungs[level].epoch <= epoch:
                self.rungs[level].add(trial, score)
                self.level[trial] = level + 1

    def diverged(self, trial: int) -> None:
        self.resumed(trial)
        level = self.level.pop(trial, 0)
        if level < len(self.rungs):
            self.rungs[level].add(trial, -inf)

    def withdrawn(self, trial: int) -> None:
        for rung in self.rungs:
            rung.withdraw(trial)
        self.level.pop(trial, None)

    def paused(self, trial: int) -> None:
        rung = self._rung_of(trial)
        rung.waiting.add(rung.entry_of[trial])

    def resumed(self, trial: int) -> None:
        if trial in self.level:
            rung = self._rung_of(trial)
            rung.waiting.discard(rung.entry_of[trial])

    def ended(self, trial: int) -> None:
        self.resumed(trial)
        self.level.pop(trial, None)

    def _rung_of(self, trial: int) -> Rung:
        """The highest rung that the trial has reached."""
        return self.rungs[self.level[trial] - 1]

    def _place(self, rung: Rung, trial: int) -> str:
        return f"epoch {rung.epoch}, rank {rung.rank(rung.entry_of[trial])} of {len(rung.entries)}"
