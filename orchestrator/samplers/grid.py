"""A grid: some values of each hyperparameter, every combination of them, each once.

`points` says how many values a `Float` or an `Int` has; a `Choice`, which has no scale to leave some out on, has all of
its values unless it is named: `grid:points=5,layers=2,activation=3`. Which values they are, search_spaces/grid.py says.

The points come in an order of which every beginning covers the whole grid, the middle of it first; so a limit on trials
cuts off none of its corners. It does not depend on the seed. With repeats, the grid is gone through again and again.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator import specs
from orchestrator.assignment import Configuration
from orchestrator.errors import nearest
from orchestrator.samplers.base import Exhausted, Sampler
from orchestrator.samplers.walk import Walk
from search_spaces import Choice, Domain, Space
from search_spaces.grid import Grid, values_of

POINTS = 5
"""On a log scale over four decades, one for each power of ten."""
MOST_REFUSED = 100_000
"""Points in a row that constraints refuse, before the grid counts as empty."""
EVER = 2**62


class GridSampler(Sampler):
    """Grid search.

    Args:
        points: For all that are not named.
        by_name: For the hyperparameters named.

    Raises:
        ValueError: With the fix.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        trials: int | None = None,
        repeats: bool = False,
        /,
        *,
        points: int = POINTS,
        **by_name: int,
    ) -> None:
        super().__init__(space, seed, trials, repeats)
        self._grid = Grid(space, _values(space, specs.whole("points", points, 1), by_name))
        end = EVER if repeats else self._grid.size
        self._walk = Walk(space, self._point, self.is_new, end=end, most=min(MOST_REFUSED, self._grid.size))

    def configuration(self, trial: int) -> Configuration:
        found = self._walk.next()
        if found is None:
            raise Exhausted(self._what_became_of_it())
        return found

    def size(self) -> int:
        """Of the whole grid: the constraints are not asked."""
        return self._grid.size

    def passed(self, configuration: Configuration) -> None:
        self._walk.begun(configuration)

    def begun(self, trial: int, configuration: Configuration) -> None:
        self._walk.begun(configuration)
        super().begun(trial, configuration)

    def _point(self, place: int) -> Configuration:
        return self._grid.spread(place % self._grid.size)

    def _what_became_of_it(self) -> str:
        size, walk = self._grid.size, self._walk
        if not walk.refused:
            return f"all {size} points of the grid were tried"
        counts = ", ".join(f"{name} refused {count}" for name, count in walk.refusals.most_common())
        if walk.refused < size and walk.at_end:
            return f"all {size - walk.refused} points of the grid that meet the constraints were tried ({counts})"
        return f"no more points of the grid meet the constraints ({counts}): loosen them, or give other points"


def _values(space: Space, points: int, by_name: Mapping[str, Any]) -> dict[str, Any]:
    for name, given in by_name.items():
        if name not in space:
            raise ValueError(f"points are given for '{name}', which is not in the search space{nearest(name, space)}")
        specs.whole(name, given, 1)
    return {name: values_of(domain, by_name.get(name, _usual(domain, points))) for name, domain in space.items()}


def _usual(domain: Domain, points: int) -> int:
    return max(points, len(domain.values)) if isinstance(domain, Choice) else points
