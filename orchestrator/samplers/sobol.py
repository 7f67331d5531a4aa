"""A scrambled Sobol sequence: low discrepancy, so that few configurations cover the space evenly.

Sobol (1967), with the direction numbers of Joe and Kuo (2008) and the scrambling of Matousek (1998), as in
`scipy.stats.qmc.Sobol`. Each hyperparameter has a dimension of its own, in the order of definition, whether it is
active or not. Points that constraints refuse, or that give a configuration once more, are left out. Where that is all
that comes, the draws are random.
"""

from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.samplers.random import REDRAWS, RandomSampler
from orchestrator.samplers.walk import Walk
from search_spaces import Space

BLOCK = 64
"""Points are drawn in blocks of a power of two, as the sequence is balanced over."""
LENGTH = 2**30
"""SciPy's sequence has no more points."""


class SobolSampler(RandomSampler):
    def __init__(self, space: Space, seed: int, trials: int | None = None, repeats: bool = False) -> None:
        from scipy.stats.qmc import Sobol  # Takes a second, which --help does not have.

        super().__init__(space, seed, trials, repeats)
        scrambling = int(generator(seed, 0, Purpose.CONFIGURATION).integers(2**63))
        self._engine = Sobol(len(space), scramble=True, rng=scrambling)
        self._block: list[list[float]] = []
        self._block_end = 0
        self._walk = Walk(space, self._point, self.is_new, end=LENGTH, most=REDRAWS)

    def configuration(self, trial: int) -> Configuration:
        found = self._walk.next()
        return self.drawn(trial) if found is None else found

    def passed(self, configuration: Configuration) -> None:
        self._walk.begun(configuration)

    def begun(self, trial: int, configuration: Configuration) -> None:
        self._walk.begun(configuration)
        super().begun(trial, configuration)

    def _point(self, place: int) -> Configuration:
        while place >= self._block_end:
            self._block = self._engine.random(BLOCK).tolist()
            self._block_end += BLOCK
        units = self._block[place - self._block_end]
        return self.space.configuration(dict(zip(self.space, units, strict=True)))
