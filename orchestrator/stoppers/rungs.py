"""Rungs: the epochs at which trials are compared, and who stands where at each.

- Rungs are first * eta**k below max epochs, in integers; reaching max epochs completes a trial.
- A trial's value at a rung is its score at that epoch, or at the first report past it when it reports none there; a
  report that jumps over several rungs counts at each of them with the same value.
- The first value stands, also when another attempt trains the epoch again; so does the arrival.
- The earlier arrival wins ties.
- A diverged trial counts once, as worst, at the next rung it would have reached. A failed trial counts nowhere.

Every step costs O(log n) in the number of trials at a rung.
"""

from collections.abc import Iterable, Iterator
from math import inf, isfinite

from sortedcontainers import SortedList

Entry = tuple[float, int, int]
"""(-score, arrival, trial): sorted, the best comes first and the earlier arrival wins ties."""


def rungs_of(first: int, eta: int, max_epochs: int) -> list[int]:
    """The epochs at which trials are judged: first * eta**k below max epochs.

    >>> rungs_of(1, 3, 243)
    [1, 3, 9, 27, 81]
    """
    rungs = []
    rung = first
    while rung < max_epochs:
        rungs.append(rung)
        rung *= eta
    return rungs


class Rung:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.entries: SortedList[Entry] = SortedList()
        self.entry_of: dict[int, Entry] = {}
        """Of every trial that has been here, so that its first value stands."""
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

    def waiting_within(self, top: int) -> Iterator[int]:
        """Of the first `top` trials those that are paused here, the best first."""
        for entry in self.waiting:
            if self.rank(entry) > top:
                return
            yield entry[2]

    def place(self, trial: int) -> str:
        return f"epoch {self.epoch}, rank {self.rank(self.entry_of[trial])} of {len(self.entries)}"


class Ladder:
    """Rungs, lowest first, and how far each trial has come on them."""

    def __init__(self, epochs: Iterable[int]) -> None:
        self.rungs = [Rung(epoch) for epoch in epochs]
        self.level: dict[int, int] = {}
        """How many rungs each live trial has reached."""
        self.arrived: set[int] = set()
        """Trials that a report has just brought to a rung where they are to be judged."""

    def at(self, trial: int) -> Rung | None:
        """The highest rung that the trial has reached."""
        level = self.level.get(trial, 0)
        return self.rungs[level - 1] if level else None

    def reported(self, trial: int, epoch: int, score: float, first: int = 0) -> None:
        """Count the trial at every rung up to `epoch`; it is to be judged from the rung `first` on."""
        if not isfinite(score):
            return
        level = self.level.get(trial, 0)
        while level < len(self.rungs) and self.rungs[level].epoch <= epoch:
            rung = self.rungs[level]
            rung.add(trial, self.mark(trial, score))
            level += 1
            self.level[trial] = level
            if rung.epoch >= first:
                self.arrived.add(trial)

    def mark(self, trial: int, score: float) -> float:
        """What the trial is ranked by at the rung that it has just reached."""
        return score

    def paused(self, trial: int) -> None:
        self.arrived.discard(trial)
        if (rung := self.at(trial)) is not None:
            rung.waiting.add(rung.entry_of[trial])

    def resumed(self, trial: int) -> None:
        self.arrived.discard(trial)
        if (rung := self.at(trial)) is not None:
            rung.waiting.discard(rung.entry_of[trial])

    def diverged(self, trial: int) -> None:
        level = self.level.get(trial, 0)
        self.ended(trial)
        if level < len(self.rungs):
            self.rungs[level].add(trial, -inf)

    def withdrawn(self, trial: int) -> None:
        for rung in self.rungs:
            rung.withdraw(trial)
        self.ended(trial)

    def ended(self, trial: int) -> None:
        """It keeps its places, and waits no more."""
        self.resumed(trial)
        self.level.pop(trial, None)
