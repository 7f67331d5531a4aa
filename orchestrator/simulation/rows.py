"""Samplers whose configurations are rows of recorded curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Configuration
from orchestrator.samplers import Sampler
from orchestrator.simulation.curves import Rows, units_of
from search_spaces import Int, Space

ROW = "#row"
"""Stands in each configuration for the row whose curve it has; no hyperparameter can be called so."""


class RowOrder(Sampler):
    """The rows in the order of `numpy.random.default_rng(seed).permutation(rows)`; once they are used up, in further
    permutations by the same generator."""

    def __init__(self, rows: int, seed: int) -> None:
        super().__init__(Space(row=Int(0, max(rows - 1, 0))), seed, repeats=True)
        self.rows = rows
        self._generator = np.random.default_rng(seed)
        self._order: list[int] = []

    def configuration(self, trial: int) -> Configuration:
        while trial >= len(self._order):
            self._order += self._generator.permutation(self.rows).tolist()
        return {ROW: self._order[trial]}


class NearestRow(Sampler):
    """A sampler draws, and of the rows that were not used the nearest in the unit cube stands for what it drew; the
    first of those that are equally near. It learns what was trained instead, as of any configuration it did not draw.

    Once all rows are used they may be used again.
    """

    def __init__(self, sampler: Sampler, rows: Rows) -> None:
        super().__init__(sampler.space, sampler.seed, repeats=True)
        self.slow = sampler.slow  # type: ignore[misc]
        self.sampler = sampler
        self.rows = rows
        self._used = np.zeros(len(rows.configurations), bool)
        self._drawn: dict[int, Configuration] = {}

    def configuration(self, trial: int) -> Configuration:
        """A row is used from here on: a slow sampler is asked for several before the first of them begins."""
        configuration = self._drawn[trial] = self.sampler.configuration(trial)
        drawn = np.array(units_of(self.space, configuration))
        apart = np.abs(self.rows.units - drawn)
        np.nan_to_num(apart, copy=False, nan=1.0)
        apart[np.isnan(self.rows.units) & np.isnan(drawn)] = 0.0
        if self._used.all():
            self._used[:] = False
        row = int(np.where(self._used, np.inf, (apart**2).sum(axis=1)).argmin())
        self._used[row] = True
        return {ROW: row, **self.rows.configurations[row]}

    def adaptation(self) -> Adaptation | None:
        return self.sampler.adaptation()

    def size(self) -> int | None:
        return self.sampler.size()

    def begun(self, trial: int, configuration: Configuration) -> None:
        if (drawn := self._drawn.pop(trial, None)) is not None:
            self.sampler.passed(drawn)
        self.sampler.begun(trial, {name: value for name, value in configuration.items() if name != ROW})

    def reported(self, trial: int, epoch: int, score: float) -> None:
        self.sampler.reported(trial, epoch, score)

    def paused(self, trial: int) -> None:
        self.sampler.paused(trial)

    def ended(self, trial: int, score: float | None) -> None:
        self.sampler.ended(trial, score)

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.sampler.adapted(settings)
