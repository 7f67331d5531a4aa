"""The metric that ranks, turned once so that inside larger is always better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["max", "min"]


@dataclass(frozen=True, slots=True)
class Objective:
    name: str
    direction: Direction

    def score(self, metrics: Mapping[str, float]) -> float:
        """The objective of one report, larger is better. KeyError when it was not reported."""
        return self.turn(metrics[self.name])

    def turn(self, value: float) -> float:
        """From the user's direction to ours and back."""
        return value if self.direction == "max" else -value
