"""`simulate`: which curves, which tasks, which seeds, and what is shown of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.simulation.curves import Curves, read_npz
from orchestrator.simulation.recorded import read_run
from orchestrator.simulation.replay import Choices, Replay, replay
from orchestrator.simulation.report import check_plot, table, write_plot


def read_curves(path: Path) -> Curves:
    """Of an `.npz` file, or of the directory of a run.

    Raises:
        UserError: In one line: there are none, or they are not as they should be.
    """
    return read_run(path) if path.is_dir() else read_npz(path)


def replays(curves: Curves, tasks: Sequence[str], seeds: Sequence[int], choices: Choices) -> Iterator[Replay]:
    """One after another: every task with every seed."""
    for number in [curves.task_number(task) for task in dict.fromkeys(tasks or curves.tasks)]:
        for seed in seeds:
            yield replay(curves, number, seed, choices)


def simulate(
    path: Path,
    tasks: Sequence[str],
    seeds: Sequence[int],
    choices: Choices,
    *,
    as_json: bool,
    plot: Path | None,
    width: int | None,
    show: Callable[[str], None],
) -> None:
    """Simulate and show; UserError for what makes no sense, before anything is shown."""
    if plot is not None:
        check_plot(plot)
    curves = read_curves(path)
    done: list[Replay] = []
    for one in replays(curves, tasks, seeds, choices):
        if as_json:
            show(json.dumps(asdict(one)))
        done.append(one)
    if not as_json:
        show(table(curves, done, width))
        if curves.note:
            show(f"Note: {curves.note}.")
        if any(not one.trace for one in done):
            show("Note: in some runs no epoch ended within the budget: give more --trainings, or fewer --workers.")
    if plot is not None:
        write_plot(curves, done, choices, plot)
        if not as_json:
            show(f"Regret over time: {plot}")
