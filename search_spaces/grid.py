"""A grid over a search space: every combination of some values of each hyperparameter, made one at a time.

The values of a domain, for so many points (`values_of`):
- `Float`: evenly over its own scale, both ends included; one point is the middle. Neat where rounding blurred them:
  0.001, not 0.0009999999999999998.
- `Int`: the same, as whole numbers; all of its values where there are no more than points.
- `Choice`: spread over its list, both ends included; all of its values where there are no more than points.
- `Fixed`: its value.

Conditions count: a hyperparameter multiplies the grid only where it is active, so no two points are one configuration.
Neither size nor access needs a list of the points. Hyperparameters that have nothing to do with each other are a
product. Where some depend on a parent, its values are taken one by one, and below each of them what is left falls apart
again: twelve layers with settings of their own are counted in hundreds of steps, not in as many as there are networks.

Constraints are not asked.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from search_spaces import conditions
from search_spaces.choices import Choice, Fixed
from search_spaces.domain import Domain
from search_spaces.numeric import Float, Int
from search_spaces.space import Configuration, Space
from search_spaces.values import identity

Values = Mapping[str, Sequence[Any]]


class Grid:
    """`grid[i]` for i from 0 to `grid.size - 1`, from these values of each hyperparameter."""

    def __init__(self, space: Space, values: Values) -> None:
        self.space = space
        self._top = _Product(space, values, conditions.parents_first(space), {})
        self.size = self._top.size
        self._stride = _golden_stride(self.size)

    def __getitem__(self, index: int) -> Configuration:
        if not 0 <= index < self.size:
            raise IndexError(f"there is no point {index} in a grid of {self.size}")
        found = dict(self._top.at(index))
        return {name: found[name] for name in self.space if name in found}

    def spread(self, k: int) -> Configuration:
        """Point k of an order that begins in the middle, and of which every beginning covers the whole grid."""
        return self[(self.size // 2 + k * self._stride) % self.size]


def values_of(domain: Domain, points: int) -> Sequence[Any]:
    """At most so many values of the domain, 1 or more: see above."""
    every = all_values(domain)
    if every is not None and len(every) <= points:
        return every
    units = [0.5] if points == 1 else [i / (points - 1) for i in range(points)]
    if isinstance(domain, Float):
        return list(dict.fromkeys(_neat(domain, unit) for unit in units))
    if isinstance(domain, Int) and domain.scale == "log":
        return _whole(domain, units)
    assert every is not None
    return [every[round(unit * (len(every) - 1))] for unit in units]


def all_values(domain: Domain) -> Sequence[Any] | None:
    """None where there is no end of them."""
    match domain:
        case Int():
            return range(domain.low, domain.high + 1, domain.step or 1)
        case Choice():
            return domain.values
        case Fixed():
            return (domain.value,)
        case Float() if domain.low == domain.high:
            return (domain.low,)
    return None


def whole(space: Space, most: int) -> Grid | None:
    """All configurations of a space, if there are at most so many."""
    values = {name: every for name, domain in space.items() if (every := all_values(domain)) is not None}
    if len(values) < len(space) or any(len(every) > most for every in values.values()):
        return None
    grid = Grid(space, values)
    return grid if grid.size <= most else None


def _neat(domain: Float, unit: float) -> float:
    value = domain.from_unit(unit)
    neat = float(f"{value:.12g}")
    return neat if domain.contains(neat) and abs(domain.to_unit(neat) - unit) < 1e-9 else value


def _whole(domain: Int, units: Sequence[float]) -> list[int]:
    """On the log scale from low to high; where two would round to one number, the second is the next."""
    found: list[int] = []
    for unit in units:
        value = round(domain.low * (domain.high / domain.low) ** unit)
        found.append(max(value, found[-1] + 1) if found else value)
    return found


def _golden_stride(size: int) -> int:
    """Near the golden section of the size, which spreads evenly, and coprime to it, so that every point comes up."""
    stride = max(1, size * 618_033_988_749_895 // 10**15)
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride


class _Product:
    """The hyperparameters among `names` that these known values leave possible, in parts that are independent."""

    def __init__(self, space: Space, values: Values, names: Sequence[str], known: Configuration) -> None:
        self.parts = [_Part(space, values, part, known) for part in _parts(space, names, known)]
        self.size = math.prod(part.size for part in self.parts)

    def at(self, index: int) -> Iterator[tuple[str, Any]]:
        for part in reversed(self.parts):
            index, place = divmod(index, part.size)
            yield from part.at(place)


class _Part:
    """One hyperparameter and, below each of its values, what depends on it."""

    def __init__(self, space: Space, values: Values, names: Sequence[str], known: Configuration) -> None:
        self.name, *others = names
        self.values = values[self.name]
        self.below: list[_Product] = []
        self.size = len(self.values)
        if others:
            self.below = [_Product(space, values, others, known | {self.name: value}) for value in self.values]
            *self.starts, self.size = accumulate((product.size for product in self.below), initial=0)

    def at(self, index: int) -> Iterator[tuple[str, Any]]:
        place = bisect_right(self.starts, index) - 1 if self.below else index
        yield self.name, self.values[place]
        if self.below:
            yield from self.below[place].at(index - self.starts[place])


def _parts(space: Space, names: Sequence[str], known: Configuration) -> list[list[str]]:
    """The names that are not ruled out, parents first, in parts between which there is no condition."""
    parts: dict[str, list[str]] = {}
    for name in names:
        wanted = space[name].conditions
        if all(
            parent in parts or (parent in known and identity(known[parent]) in map(identity, fitting))
            for parent, fitting in wanted.items()
        ):
            parts[name] = [name]
            for parent in wanted:
                if parent in parts and parts[parent] is not parts[name]:
                    _join(parts, parent, name)
    order = {name: place for place, name in enumerate(names)}
    distinct = {id(part): sorted(part, key=order.__getitem__) for part in parts.values()}
    return list(distinct.values())


def _join(parts: dict[str, list[str]], one: str, other: str) -> None:
    parts[one].extend(parts[other])
    for name in parts[other]:
        parts[name] = parts[one]
