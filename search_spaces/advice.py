"""What the course notes would warn about: a scale that spends most of the draws where little changes.

- A learning rate on a linear scale over more than a decade: nine draws in ten fall into the last decade.
- A coefficient of an average near 1 (momentum, the betas, rho) without `reverse_log`: what matters is over how many
  values it averages, 1 / (1 - x), and from 0.9 to 0.999 that grows a hundredfold. Known by its name, where 1 - x covers
  a decade or more; under any other name, where low is at least 0.5 and high at least 0.99.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search_spaces.domain import Domain
from search_spaces.numeric import Float, Int
from search_spaces.values import shown

_LEARNING_RATE = re.compile(r"(^|_)(lr|learning_rate)$", re.IGNORECASE)
_AVERAGING = re.compile(r"(^|_)(momentum|beta_?\d*|rho|(ema|average|averaging)(_decay)?)$", re.IGNORECASE)
_A_DECADE = 10 * (1 - 1e-9)
"""As floats, 1 - 0.9 is not quite ten times 1 - 0.99."""
_AT_BOUND = 0.01
"""Of a Float's scale."""


def warnings(domains: Mapping[str, Domain]) -> list[str]:
    return [line for name, domain in domains.items() if isinstance(domain, Float) for line in _of(name, domain)]


def at_bounds(domains: Mapping[str, Domain], best: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the best configurations, the best first, say about the bounds: a line where the first two lie at one."""
    lines = []
    for name, domain in domains.items():
        values = [configuration.get(name) for configuration in best[:2]]
        if isinstance(domain, Float | Int) and len(values) == 2 and None not in values and domain.low < domain.high:
            for side, bound, unit in (("lower", domain.low, 0.0), ("upper", domain.high, 1.0)):
                if all(value == bound or _is_near(domain, value, unit) for value in values):
                    lines.append(f"best {name} lies at the {side} bound {bound}: consider widening")
    return lines


def _is_near(domain: Float | Int, value: Any, bound: float) -> bool:
    return isinstance(domain, Float) and abs(domain.to_unit(value) - bound) <= _AT_BOUND


def _of(name: str, domain: Float) -> Iterator[str]:
    low, high = domain.low, domain.high
    if _LEARNING_RATE.search(name):
        if domain.scale == "linear" and high > 0 and high > 10 * low:
            start = low if low > 0 else high / 10_000
            yield (
                f"{name}: a learning rate on a linear scale from {shown(low)} to {shown(high)} leaves nine draws in "
                f"ten above {high / 10:g}: write Float({start:g}, {shown(high)}, 'log')"
            )
    elif domain.scale != "reverse_log" and _nears_one(name, domain):
        end = high if high < 1 else round(1 - (1 - low) / 100, 12)
        yield (
            f"{name}: near 1 it is the distance to 1 that counts, and a {domain.scale} scale hardly varies it: "
            f"write Float({shown(low)}, {shown(end)}, 'reverse_log')"
        )


def _nears_one(name: str, domain: Float) -> bool:
    low, high = domain.low, domain.high
    if not 0 <= low < high <= 1:
        return False
    if _AVERAGING.search(name):
        return 1 - low >= _A_DECADE * (1 - high)
    return low >= 0.5 and 0.99 <= high < 1
