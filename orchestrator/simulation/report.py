"""What `simulate` shows: a table over tasks, and a picture of regret over time.

Regret is how far the best value observed so far is from the best one in the curves, in the metric's own units.
"""

from collections.abc import Sequence
from html import escape
from importlib import import_module
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from orchestrator import tables
from orchestrator.errors import UserError
from orchestrator.simulation.curves import Curves, Floats
from orchestrator.simulation.replay import Choices, Replay

MOMENTS = 400
"""Of the budget, at which a picture shows the regret."""
MEDIANS = ("started", "stopped", "completed", "epochs", "cost", "makespan", "busy")


def table(curves: Curves, replays: Sequence[Replay], width: int | None) -> str:
    """A row for each task: the medians over the seeds."""
    columns: dict[str, list[object]] = {name: [] for name in ("task", "best", "regret", *MEDIANS)}
    for task, group in groupby(replays, key=lambda replay: replay.task):
        of_task = list(group)
        best = median(replay.trace[-1][3] if replay.trace else float("nan") for replay in of_task)
        columns["task"].append(task)
        columns["best"].append(best)
        columns["regret"].append(abs(best - curves.best(curves.task_number(task))))
        for name in MEDIANS:
            columns[name].append(_short(median(getattr(replay, name) for replay in of_task)))
    return tables.as_table(columns, width)


def _short(value: float) -> float | int:
    """A median of counts is mostly a whole number, and seconds by the thousand need no fraction."""
    return round(value) if value == round(value) or abs(value) >= 1000 else value


def regret(curves: Curves, replay: Replay, times: Floats) -> Floats:
    """At each of these times; NaN before the first report."""
    best = curves.best(curves.task_number(replay.task))
    found = [float("nan"), *(abs(value - best) for *_, value in replay.trace)]
    return np.array(found)[np.searchsorted([time for time, *_ in replay.trace], times, side="right")]


def write_plot(curves: Curves, replays: Sequence[Replay], choices: Choices, path: Path) -> None:
    """Regret over time, the median of the seeds, a line for each task, as one HTML file that needs no network.

    Raises:
        UserError: plotly is not installed, or the file cannot be written.
    """
    graph_objects = _plotly()
    figure = graph_objects.Figure()
    spent = np.linspace(0.0, choices.trainings, MOMENTS + 1)
    for task, group in groupby(replays, key=lambda replay: replay.task):
        times = spent * curves.full_cost(curves.task_number(task)) / choices.workers * (1 + 1e-12)
        lines = np.array([regret(curves, replay, times) for replay in group])
        known = ~np.isnan(lines).any(axis=0)
        middle = np.median(lines[:, known], axis=0)
        shown = np.where(middle > 0, middle, None)
        figure.add_scatter(x=spent[known], y=shown, name=_as_text(task), mode="lines", line_shape="hv")
    sampler = choices.sampler or "rows in a random order"
    figure.update_layout(
        title=_as_text(f"{sampler}, stopper {choices.stopper}, {choices.workers} workers"),
        xaxis_title="time, in full trainings spent by all workers",
        yaxis_title=_as_text(
            f"regret in {curves.objective.name} (median of the seeds; where none is left the line ends)"
        ),
        yaxis_type="log",
    )
    try:
        figure.write_html(path, include_plotlyjs=True)
    except OSError as error:
        raise UserError(f"{path}: the picture cannot be written ({error.strerror})") from None


def _as_text(name: str) -> str:
    """For plotly, which takes texts for HTML, links and all."""
    return escape(tables.one_line(name), quote=False)


def check_plot(path: Path) -> None:
    """UserError where there could be no picture, before anything is simulated for it."""
    _plotly()
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path}: the picture cannot be written there: give a file in a directory that exists")


def _plotly() -> Any:
    try:
        return import_module("plotly.graph_objects")
    except ModuleNotFoundError:
        raise UserError("--plot needs plotly: pip install plotly, or leave --plot out") from None
