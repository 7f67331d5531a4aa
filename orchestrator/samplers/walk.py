"""A walk through numbered configurations, past those that constraints refuse and those that were tried.

Where it stands follows from what was begun alone, so that the fold of a journal leads to the same place: it moves on
when a trial begins with the configuration it stands before. Looking ahead for that one changes nothing.
"""

from collections import Counter
from collections.abc import Callable

from orchestrator.assignment import Configuration
from orchestrator.samplers.base import Exhausted, identity
from search_spaces import Space, SpaceError


class Walk:
    """Over `point(0)`, `point(1)`, … up to `end`, asked for in this order.

    Args:
        is_new: Of a configuration: whether no trial has had it.
        most: So many points in a row that will not do are enough.
    """

    def __init__(
        self,
        space: Space,
        point: Callable[[int], Configuration],
        is_new: Callable[[Configuration], bool],
        *,
        end: int,
        most: int,
    ) -> None:
        self._space = space
        self._point = point
        self._is_new = is_new
        self._most = most
        self._end = end
        self._position = 0
        self._ahead: tuple[int, Configuration | None] | None = None
        self.refusals: Counter[str] = Counter()
        """How many points each constraint has refused."""
        self.refused = 0

    @property
    def at_end(self) -> bool:
        return self._look()[0] >= self._end

    def next(self) -> Configuration | None:
        """The first that will do; None at the end, and after `most` that will not.

        Raises:
            Exhausted: A constraint failed.
        """
        return self._look()[1]

    def begun(self, configuration: Configuration) -> None:
        """A trial begins with this one. To be told before `is_new` knows."""
        try:
            place, found = self._look()
        except Exhausted:
            return
        if found is None or identity(found) == identity(configuration):
            self._position, self._ahead = place + (found is not None), None

    def _look(self) -> tuple[int, Configuration | None]:
        if self._ahead is None:
            self._ahead = self._looked()
        return self._ahead

    def _looked(self) -> tuple[int, Configuration | None]:
        until = min(self._position + self._most, self._end)
        for place in range(self._position, until):
            configuration = self._point(place)
            try:
                refused_by = self._space.refused_by(configuration)
            except SpaceError as error:
                raise Exhausted(str(error)) from error
            self.refusals.update(refused_by)
            self.refused += bool(refused_by)
            if not refused_by and self._is_new(configuration):
                return place, configuration
        return until, None
