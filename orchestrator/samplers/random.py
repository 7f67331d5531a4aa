"""Independent draws, each hyperparameter evenly on its own scale (Bergstra and Bengio, JMLR 2012).

A configuration that was tried is drawn again, with further numbers of the same trial. Where that is in vain, because a
small space has nearly been gone through, what is left of it is found by going through all of it.
"""

from collections.abc import Callable

from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.samplers.base import Exhausted, Sampler
from search_spaces import Space, SpaceError
from search_spaces import grid as grids

REDRAWS = 1000
"""For the constraints, before the space counts as empty."""
ATTEMPTS = 100
"""For a configuration that was not tried, before the space is gone through."""
MOST_LISTED = 100_000
"""Configurations of a space that is gone through."""


class RandomSampler(Sampler):
    def __init__(self, space: Space, seed: int, trials: int | None = None, repeats: bool = False) -> None:
        super().__init__(space, seed, trials, repeats)
        self._rest: _Rest | None = None

    def configuration(self, trial: int) -> Configuration:
        return self.drawn(trial)

    def drawn(self, trial: int) -> Configuration:
        """A new configuration at random, for this trial.

        Raises:
            Exhausted: There is none.
        """
        for attempt in range(ATTEMPTS):
            configuration = self._draw(trial, attempt)
            if self.is_new(configuration):
                return configuration
        if self._rest is None:
            self._rest = _Rest(self.space, self.is_new)
        return self._rest.first()

    def _draw(self, trial: int, attempt: int) -> Configuration:
        def uniforms(redraw: int) -> list[float]:
            draw = attempt * (REDRAWS + 1) + redraw
            numbers: list[float] = (
                generator(self.seed, trial, Purpose.CONFIGURATION, draw).random(len(self.space)).tolist()
            )
            return numbers

        try:
            return self.space.draw(uniforms, REDRAWS)
        except SpaceError as error:
            raise Exhausted(str(error)) from error


class _Rest:
    """What is left of a small space. What was tried once, or is refused, stays so, and is not looked at again."""

    def __init__(self, space: Space, is_new: Callable[[Configuration], bool]) -> None:
        self._space = space
        self._is_new = is_new
        self._grid = grids.whole(space, MOST_LISTED)
        self._seen = 0
        self._refused = 0

    def first(self) -> Configuration:
        if self._grid is None:
            raise Exhausted(f"{ATTEMPTS} draws in a row gave configurations that were tried")
        while self._seen < self._grid.size:
            configuration = self._grid.spread(self._seen)
            refused = bool(self._refused_by(configuration))
            if not refused and self._is_new(configuration):
                return configuration
            self._seen += 1
            self._refused += refused
        which = " that meet the constraints" if self._refused else ""
        raise Exhausted(f"all {self._grid.size - self._refused} configurations of the search space{which} were tried")

    def _refused_by(self, configuration: Configuration) -> list[str]:
        try:
            return self._space.refused_by(configuration)
        except SpaceError as error:
            raise Exhausted(str(error)) from error
