"""How the unit interval is stretched over a range of numbers.

A share of the unit interval is the probability of what it maps to, so a scale says where a search looks:

- `linear`: `low + u * (high - low)`. Every value as often as any other.
- `log`: `10 ** (a + u * (b - a))` with `a = log10(low)`, `b = log10(high)`. Every decade as often as any other.
- `reverse_log`: `1 - 10 ** (a + u * (b - a))` with `a = log10(1 - low)`, `b = log10(1 - high)`. Every decade of the
  distance to 1 as often as any other: 0.9 to 0.99 as often as 0.99 to 0.999.

All three rise with `u`. Each is a function that makes the range even, and its inverse. Natural logarithms stand for
log10 (the base cancels out), because `log1p` and `expm1` keep what `1 - x` would lose, and `exp(log(x))` does not
overflow at the largest float as `10 ** log10(x)` does.

What comes out lies within the bounds whatever the rounding, and the bounds themselves map exactly, both ways.

Values that are as likely as each other need no stretching: `share` and `middle` cut the unit interval evenly.
"""

import math
from collections.abc import Callable


def _identity(value: float) -> float:
    return value


def _reverse_log(value: float) -> float:
    return -math.log1p(-value)


def _reverse_exp(value: float) -> float:
    return -math.expm1(-value)


_EVEN: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "linear": (_identity, _identity),
    "log": (math.log, math.exp),
    "reverse_log": (_reverse_log, _reverse_exp),
}
SCALES = tuple(_EVEN)


def from_unit(scale: str, low: float, high: float, unit: float) -> float:
    """The value at `unit` of the way from low to high, on the scale."""
    if unit == 0 or low == high:
        return low
    if unit == 1:
        return high
    even, uneven = _EVEN[scale]
    # Halved, because b - a overflows between bounds such as -1e308 and 1e308.
    start, end = even(low) / 2, even(high) / 2
    return min(max(uneven(2 * (start + unit * (end - start))), low), high)


def to_unit(scale: str, low: float, high: float, value: float) -> float:
    """Where the value lies between low (0) and high (1), on the scale; 0.5 where the bounds are equal."""
    if low == high:
        return 0.5
    if value == low:
        return 0.0
    if value == high:
        return 1.0
    even, _ = _EVEN[scale]
    # Bounds so close that the scale cannot tell them apart have no more than a middle.
    start, end, here = even(low) / 2, even(high) / 2, even(value) / 2
    return min(max((here - start) / (end - start), 0.0), 1.0) if end > start else 0.5


def share(unit: float, count: int) -> int:
    """Which of `count` equal shares of [0, 1] the unit falls into; the last one includes 1."""
    return min(int(unit * count), count - 1)


def middle(index: int, count: int) -> float:
    """The unit in the middle of a share: `share(middle(index, count), count)` is index."""
    return (index + 0.5) / count
