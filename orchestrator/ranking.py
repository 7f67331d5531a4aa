"""Trials by score, the best first."""

from collections.abc import Iterator
from typing import overload

from sortedcontainers import SortedList

Place = tuple[float, int]
"""(-score, number): sorted, the best comes first and the lower number wins ties."""


class Ranking:
    """Sorted when it is looked at: scores change with nearly every report, and few of them are ever asked for."""

    __slots__ = ("_changed", "_places", "_scores")

    def __init__(self) -> None:
        self._scores: dict[int, float] = {}
        self._places: SortedList[Place] = SortedList()
        self._changed: dict[int, float | None] = {}
        """Scores that the other two do not have yet."""

    def put(self, trial: int, score: float | None) -> None:
        """What the trial is ranked by from now on; None takes it out."""
        self._changed[trial] = score

    def score(self, trial: int) -> float | None:
        return self._changed[trial] if trial in self._changed else self._scores.get(trial)

    def __len__(self) -> int:
        return len(self._sorted())

    def __iter__(self) -> Iterator[Place]:
        return iter(self._sorted())

    @overload
    def __getitem__(self, place: int) -> Place: ...
    @overload
    def __getitem__(self, place: slice) -> list[Place]: ...
    def __getitem__(self, place: int | slice) -> Place | list[Place]:
        found: Place | list[Place] = self._sorted()[place]
        return found

    def _sorted(self) -> "SortedList[Place]":
        for trial, score in self._changed.items():
            before = self._scores.get(trial)
            if score == before:
                continue
            if before is not None:
                self._places.remove((-before, trial))
            if score is None:
                del self._scores[trial]
            else:
                self._places.add((-score, trial))
                self._scores[trial] = score
        self._changed.clear()
        return self._places
