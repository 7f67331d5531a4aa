"""The two pictures of docs/search.md, in colours that the colour-blind tell apart (Okabe and Ito), and other dashes."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.search.evidence import FLOOR, Evidence
from benchmarks.search.measures import GRID
from benchmarks.search.methods import NO_STOPPING, Method
from benchmarks.search.tasks import TRAININGS

STYLES: list[dict[str, Any]] = [
    {"color": "#D55E00", "linestyle": "-", "linewidth": 2.0},
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#009E73", "linestyle": "--"},
    {"color": "#CC79A7", "linestyle": "-."},
    {"color": "#E69F00", "linestyle": (0, (5, 1, 1, 1))},
]
PLAIN: dict[str, Any] = {"color": "#555555", "linestyle": ":"}
LEAST_REGRET = 1e-3
mpl.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "savefig.facecolor": "white",
    "svg.hashsalt": "search",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
}


def _shown(evidence: Evidence) -> list[tuple[Method, dict[str, Any]]]:
    """The default, the best of our others, and the peers that the default is held against; each with its looks."""
    default, *others = evidence.ours
    methods = [default, max(others, key=evidence.mean), *evidence.rivals]
    names = [f"{default.name} (our default)", *(method.name for method in methods[1:])]
    return [(m, {"label": n, **style}) for m, n, style in zip(methods, names, STYLES, strict=True)]


def draw_speed_up(evidence: Evidence, path: Path) -> None:
    """A panel for each file: the median speed-up by the number of workers."""
    figure, panels = _panels(evidence, "times as fast as no stopping")
    places = range(len(evidence.workers))
    for panel, file in zip(panels, evidence.files, strict=False):
        for method, style in _shown(evidence):
            values = [max(evidence.cell(file.name, w, method).speed_up, FLOOR) for w in evidence.workers]
            panel.plot(places, values, marker="o", markersize=3.5, **style)
        panel.axhline(1.0, label=NO_STOPPING.name, **PLAIN)
        panel.set_yscale("log")
        panel.set_ylim(0.85 * FLOOR, 16)
        panel.set_yticks([FLOOR, 0.5, 1, 2, 4, 8, 16], ["never", "0.5", "1", "2", "4", "8", "16"])
        panel.yaxis.set_minor_locator(mpl.ticker.NullLocator())
        panel.set_xticks(places, [str(w) for w in evidence.workers])
        panel.set_xlabel("workers")
    _save(figure, panels, path)


def draw_regret(evidence: Evidence, workers: int, path: Path) -> None:
    """A panel for each file: the mean regret over time."""
    figure, panels = _panels(evidence, "mean regret")
    for panel, file in zip(panels, evidence.files, strict=False):
        lines = [(evidence.cell(file.name, workers, method), style) for method, style in _shown(evidence)]
        lines.append((evidence.none[file.name, workers], {"label": NO_STOPPING.name, **PLAIN}))
        for cell, style in lines:
            values = np.maximum(cell.over_time, LEAST_REGRET)
            panel.plot(GRID * TRAININGS, values, drawstyle="steps-post", **style)
        panel.set_yscale("log")
        panel.set_xscale("log")
        panel.set_ylim(top=2.0)
        panel.set_xlim(1, TRAININGS)
        panel.set_xticks([1, 10, 100], ["1", "10", "100"])
        panel.set_xlabel(f"full trainings' time, {workers} workers")
    _save(figure, panels, path)


def _panels(evidence: Evidence, label: str) -> tuple[Figure, list[Any]]:
    """One for each file, and one for the legend at least."""
    columns = min(3, len(evidence.files) + 1)
    rows = -(-(len(evidence.files) + 1) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.5 * rows), layout="constrained")
    panels = list(np.ravel(figure.subplots(rows, columns)))
    for panel in panels[::columns]:
        panel.set_ylabel(label)
    for panel, file in zip(panels, evidence.files, strict=False):
        panel.set_title(file.name, fontsize=9)
    for panel in panels[len(evidence.files) :]:
        panel.axis("off")
    return figure, panels


def _save(figure: Figure, panels: list[Any], path: Path) -> None:
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
