"""What is near to values that have proved good.

Near is at most `reach` away on the domain's own scale, which is 1 long, with a probability that falls evenly from the
value itself to nothing at the reach; what would lie outside of the bounds becomes the bound. An Int can always reach
its neighbours. A Choice has the value itself, or with probability `reach` any of its values.
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.assignment import Configuration
from search_spaces import Domain, Float, Int, Space

EDGE = 0.1
"""Of a box, on either side."""
AT_BOUND = 0.01
"""Of a Float's scale."""


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


def in_words(domain: Domain, centres: Sequence[Any], reach: float) -> str:
    """Where a hyperparameter is drawn."""
    if isinstance(domain, Float | Int):
        low, high = (domain.from_unit(unit) for unit in box(domain, centres, reach))
        return f"{low:.3g} … {high:.3g}" if isinstance(domain, Float) else f"{low} … {high}"
    mostly = " or ".join(str(value) for value in dict.fromkeys(centres))
    return f"mostly {mostly}" if mostly else "any"


def at_bounds(space: Space, best: Sequence[Configuration]) -> list[str]:
    """What the best trials, the best first, say about the bounds of the space, a line each."""
    lines = []
    for name, domain in space.items():
        values = [configuration.get(name) for configuration in best[:2]]
        if isinstance(domain, Float | Int) and len(values) == 2 and None not in values and domain.low < domain.high:
            for side, bound, unit in (("lower", domain.low, 0.0), ("upper", domain.high, 1.0)):
                if all(value == bound or _is_near(domain, value, unit) for value in values):
                    lines.append(f"best {name} lies at the {side} bound {bound}: consider widening")
    return lines


def _is_near(domain: Float | Int, value: Any, bound: float) -> bool:
    return isinstance(domain, Float) and abs(domain.to_unit(value) - bound) <= AT_BOUND


def _reach_in(domain: Float | Int, reach: float) -> float:
    return max(reach, 1 / domain.count) if isinstance(domain, Int) else reach
