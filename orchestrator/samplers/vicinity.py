"""What is near to values that have proved good.

Near is at most `reach` away on the domain's own scale, which is 1 long, with a probability that falls evenly from the
value itself to nothing at the reach; what would lie outside of the bounds becomes the bound. An Int can always reach
its neighbours. A Choice has the value itself, or with probability `reach` any of its values.
"""

from collections.abc import Sequence
from typing import Any

from search_spaces import Domain, Float, Int

EDGE = 0.1
"""Of a box, on either side."""


def draw(domain: Domain, centre: Any, reach: float, shares: tuple[float, float, float]) -> float:
    """A point of the unit interval near to a value, from three independent numbers in [0, 1)."""
    anew, first, second = shares
    if isinstance(domain, Float | Int):
        return min(max(domain.to_unit(centre) + _reach_in(domain, reach) * (first + second - 1), 0.0), 1.0)
    return anew if first < reach else domain.to_unit(centre)


def box(domain: Float | Int, centres: Sequence[Any], reach: float) -> tuple[float, float]:
    """From where to where, in the unit interval, values near to these lie; all of it where there are none."""
    if not centres:
        return 0.0, 1.0
    units = [domain.to_unit(centre) for centre in centres]
    reach = _reach_in(domain, reach)
    return max(min(units) - reach, 0.0), min(max(units) + reach, 1.0)


def is_at_edge(domain: Domain, value: Any, centres: Sequence[Any], reach: float) -> bool:
    """Whether it lies at an edge of their box that is not a bound of the domain."""
    if not isinstance(domain, Float | Int):
        return False
    low, high = box(domain, centres, reach)
    margin = EDGE * (high - low)
    unit = domain.to_unit(value)
    return (low > 0 and unit < low + margin) or (high < 1 and unit > high - margin)


def in_words(domain: Domain, centres: Sequence[Any], reach: float) -> str | None:
    """Where a hyperparameter is drawn, unless that is everywhere."""
    if not isinstance(domain, Float | Int):
        return f"mostly {' or '.join(str(value) for value in dict.fromkeys(centres))}" if centres else None
    low, high = (domain.from_unit(unit) for unit in box(domain, centres, reach))
    if (low, high) == (domain.low, domain.high):
        return None
    return f"{low:.3g} … {high:.3g}" if isinstance(domain, Float) else f"{low} … {high}"


def _reach_in(domain: Float | Int, reach: float) -> float:
    return max(reach, 1 / domain.count) if isinstance(domain, Int) else reach
