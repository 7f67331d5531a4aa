"""`leaderboard.csv`, kept up to date while a run goes on: byte for byte what `leaderboard.write_csv` writes.

Without pandas, whose import would hold the driver up for a second. A trial that has ended is put into words once, and
its rank before them whenever the file is written. That takes a share of the driver's time which does not depend on how
many trials there are: the longer it takes, the less often it is done.
"""

import csv
import io
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator import tables
from orchestrator.leaderboard import LARGEST, RESERVED, metric_columns, metrics_of, order, replace_whole
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Trial

LEAST_SECONDS = 1.0
MOST_SHARE = 0.01
"""Of the driver's time."""

Layout = tuple[tuple[tuple[str, type], ...], tuple[str, ...]]
"""The hyperparameters, each with the type that its column has, and the metrics."""


class LeaderboardFile:
    def __init__(
        self, path: Path, state: State, hyperparameters: Iterable[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._state = state
        self._clock = clock
        self._next = clock() + LEAST_SECONDS
        self._types: dict[str, set[type]] = {name: set() for name in hyperparameters}
        self._looked_at = 0
        """Trials whose configurations the types are of."""
        self._layout: Layout = ((), ())
        self._ended: dict[int, str] = {}
        """The rows of trials that will not change, without their ranks."""

    def watch(self) -> None:
        """Write it if it is time to; cheap, however often it is called. A full disk leaves it as it was."""
        if self._clock() < self._next:
            return
        began = self._clock()
        with suppress(OSError):
            self.write()
        ended = self._clock()
        self._next = ended + max(LEAST_SECONDS, (ended - began) / MOST_SHARE)

    def write(self) -> None:
        """OSError if it cannot be written."""
        replace_whole(self.path, self.text())

    def text(self) -> str:
        state = self._state
        layout = self._layout_now()
        if layout != self._layout:
            self._layout = layout
            self._ended.clear()
        ranked = len(state.ranking)
        lines = [_line(map(_safe, self._header()))]
        for place, number in enumerate(order(state)):
            lines.append(f"{place + 1 if place < ranked else ''},{self._row(state.trials[number])}")
        return "".join(lines)

    def _row(self, trial: Trial) -> str:
        if (known := self._ended.get(trial.number)) is not None:
            return known
        best = trial.best if trial.score is not None else None
        metrics = best.metrics if best is not None else {}
        score = None if best is None else best.metrics[self._state.objective.name]
        hyperparameters, names = self._layout
        row = _line(
            [
                trial.number,
                str(trial.status),
                _safe(trial.story),
                _as(float, score),
                best and best.epoch,
                trial.epochs,
                _as(float, trial.seconds),
                trial.worker,
                *(_as(kind, trial.configuration.get(name)) for name, kind in hyperparameters),
                *(_as(float, metrics.get(name)) for name in names),
            ]
        )
        if trial.status.ended and trial.holder is None:
            self._ended[trial.number] = row
        return row

    def _header(self) -> Iterable[str]:
        hyperparameters, metrics = self._layout
        taken = [*RESERVED, *(name for name, _ in hyperparameters)]
        return [*taken, *metric_columns(metrics, taken).values()]

    def _layout_now(self) -> Layout:
        trials = self._state.trials
        for trial in trials[self._looked_at :]:
            for name, kinds in self._types.items():
                if name in trial.configuration:
                    value = trial.configuration[name]
                    kinds.add(object if type(value) is int and not -LARGEST <= value < LARGEST else type(value))
        self._looked_at = len(trials)
        columns = tuple((name, _kind(kinds)) for name, kinds in self._types.items())
        return columns, tuple(metrics_of(trials))


def _kind(kinds: set[type]) -> type:
    if kinds == {int, float}:
        return float
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= {bool, int, str, float} else object


def _as(kind: type, value: Any) -> Any:
    """As pandas spells a value in a column of this type."""
    if value is None or value != value:
        return None
    return float(value) if kind is float else _safe(value)


def _safe(value: Any) -> Any:
    return tables.for_spreadsheet(value) if isinstance(value, str) else value


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
