"""Numbers: `Float` and `Int`.

The law: `from_unit` maps [0, 1], both ends included, onto the values, and `to_unit` back. `from_unit(to_unit(value))`
is the value itself at the bounds of a `Float` and everywhere in an `Int`; elsewhere in a `Float` it is the value to
rounding. The unit of an integer lies well inside its share.

Integers: plain rounding gives the two ends half a share each. Here every integer owns the stretch of half a step to
either side of it, so what is shared out reaches from `low - step/2` to `high + step/2`. On the linear scale all shares
are equal; on the log scale k gets log((k + 1/2) / (k - 1/2)), which falls as 1/k, at the ends as anywhere between. A
step goes with the linear scale only: on the log scale it could mean a sum or a factor, and `Choice([32, 64, 128])` says
which is meant. `reverse_log` is for numbers below 1, so not for an `Int`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from search_spaces import scales
from search_spaces.domain import Domain
from search_spaces.errors import nearest
from search_spaces.values import is_number, plain, quoted, shown

LARGEST_BOUND = 10**12
"""Of an `Int`: up to here floats in the unit interval tell neighbours apart, also on the log scale."""


@dataclass(frozen=True, eq=False, repr=False)
class Float(Domain):
    """A number from `low` to `high`, both included. `scale` is "linear", "log" or "reverse_log" (see scales.py)."""

    kind: ClassVar[str] = "float"
    low: float
    high: float
    scale: str = "linear"

    def from_unit(self, unit: float) -> float:
        return scales.from_unit(self.scale, self.low, self.high, self._require_unit(unit))

    def to_unit(self, value: float) -> float:
        self._require_value(value)
        return scales.to_unit(self.scale, self.low, self.high, float(value))

    def contains(self, value: Any) -> bool:
        self.require_sound()
        value = plain(value)
        return is_number(value) and self.low <= value <= self.high

    def _in_words(self) -> str:
        return f"{shown(self.low)} … {shown(self.high)}"

    def _settled(self, value: Any) -> float:
        return float(value) + 0.0  # The way through the unit interval would round it.

    def _arguments(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high} | _scale_unless_linear(self.scale)

    def _settle(self) -> Iterator[str]:
        problems = [*self._settle_bound("low"), *self._settle_bound("high")]
        yield from problems
        yield from _scale_problems(self.scale, scales.SCALES)
        if problems:
            return
        low, high = shown(self.low), shown(self.high)
        if self.low > self.high:
            yield f"low {low} is above high {high}: use low={high}, high={low}"
        elif self.scale == "log" and self.low <= 0:
            yield f"low is {low}, but a log scale starts above 0: use a small positive low such as 0.0001"
        elif self.scale == "reverse_log" and self.high >= 1:
            yield f"high is {high}, but reverse_log ends below 1: use a high such as 0.999"

    def _settle_bound(self, name: str) -> Iterator[str]:
        bound = plain(getattr(self, name))
        try:
            finite = is_number(bound) and math.isfinite(bound)
        except OverflowError:
            finite = False
        if finite:
            self._set(name, float(bound) + 0.0)  # + 0.0 makes of -0.0 what it equals
        else:
            yield f"{name} is {quoted(bound)}: use a finite number"


@dataclass(frozen=True, eq=False, repr=False)
class Int(Domain):
    """A whole number: `low`, `low + step`, … `high`, both included. `scale` is "linear" or "log"."""

    kind: ClassVar[str] = "int"
    low: int
    high: int
    scale: str = "linear"
    step: int | None = None

    @property
    def count(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self._stride + 1

    def from_unit(self, unit: float) -> int:
        unit = self._require_unit(unit)
        if self.scale == "log":
            nearest_whole = math.floor(scales.from_unit("log", self.low - 0.5, self.high + 0.5, unit) + 0.5)
            return min(max(nearest_whole, self.low), self.high)
        return self.low + self._stride * scales.share(unit, self.count)

    def to_unit(self, value: int) -> float:
        self._require_value(value)
        value = plain(value)
        if self.scale == "log":
            return scales.to_unit("log", self.low - 0.5, self.high + 0.5, value)
        return scales.middle((value - self.low) // self._stride, self.count)

    def contains(self, value: Any) -> bool:
        self.require_sound()
        value = plain(value)
        return type(value) is int and self.low <= value <= self.high and (value - self.low) % self._stride == 0

    def _in_words(self) -> str:
        return f"{self.low} … {self.high}" + (f" step {self.step}" if self.step is not None else "")

    @property
    def _stride(self) -> int:
        return self.step or 1

    def _arguments(self) -> dict[str, Any]:
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high} | _scale_unless_linear(self.scale) | step

    def _settle(self) -> Iterator[str]:
        problems = [*self._settle_bound("low"), *self._settle_bound("high"), *self._settle_step()]
        yield from problems
        if self.scale == "reverse_log":
            yield "scale is 'reverse_log', which is for numbers below 1: use 'linear', 'log' or a Float"
        else:
            yield from _scale_problems(self.scale, ("linear", "log"))
        if not problems:
            yield from self._misfits()

    def _settle_bound(self, name: str) -> Iterator[str]:
        bound = plain(getattr(self, name))
        self._set(name, bound)
        if isinstance(bound, bool) or not isinstance(bound, int):
            instead = round(bound) if is_number(bound) and math.isfinite(bound) else "one such as 16"
            yield f"{name} is {quoted(bound)}, not a whole number: use {instead}"
        elif abs(bound) > LARGEST_BOUND:
            yield f"{name} is {bound}, beyond what an Int can tell apart: use a Float, or at most {LARGEST_BOUND}"
        else:
            self._set(name, int(bound))

    def _settle_step(self) -> Iterator[str]:
        self._set("step", plain(self.step))
        if self.step is None:
            return
        if type(self.step) is not int or self.step < 1:
            yield f"step is {quoted(self.step)}: use a whole number of at least 1"
        elif self.scale == "log":
            yield f"step {self.step} goes with the linear scale only: leave it out, or list the values in a Choice"

    def _misfits(self) -> Iterator[str]:
        if self.low > self.high:
            yield f"low {self.low} is above high {self.high}: use low={self.high}, high={self.low}"
        elif self.scale == "log" and self.low < 1:
            yield f"low is {self.low}, but a log scale starts above 0: use low=1 or more"
        elif over := (self.high - self.low) % self._stride:
            below, above = self.high - over, self.high - over + self._stride
            yield f"step {self.step} from {self.low} does not reach high {self.high}: use high={below} or high={above}"


def _scale_unless_linear(scale: str) -> dict[str, str]:
    return {} if scale == "linear" else {"scale": scale}


def _scale_problems(scale: Any, known: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(scale, str) or scale not in known:
        yield f"scale {quoted(scale)} is unknown{nearest(scale, known)} (one of {', '.join(known)})"
