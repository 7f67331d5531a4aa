"""What each sampler finds with the same number of epochs: the rows of `samplers`, kept for a rerun, and their table."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path

import msgspec

import search_spaces
from benchmarks.search import samplers
from benchmarks.search.cache import fingerprint
from benchmarks.search.samplers import STOPPERS, TWO_HILLS, Row, Summary, rows, summaries
from benchmarks.search.tables import count, markdown, percent
from orchestrator.samplers import SAMPLERS

COMPARED = ("random", "sobol", "zoom", "staged", "grid", "optuna:tpe")
_decode = msgspec.json.Decoder(list[Row]).decode


def gather_samplers(curves: Path, seeds: int, folder: Path | None, say: Callable[[str], None]) -> list[Row]:
    """Of the tasks that no constant was chosen on.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
    """
    found: list[Row] = []
    for stopper in STOPPERS:
        for sampler in COMPARED:
            found += _kept(curves, seeds, sampler, stopper, folder)
            say(f"samplers: {sampler} beside {stopper} done")
    # Each batch measured its regret from the best that it knew of.
    top = {task: max(row.best[-1] + row.regret[-1] for row in found if row.task == task) for task in _tasks(found)}
    return [replace(row, regret=tuple(top[row.task] - value for value in row.best)) for row in found]


def _kept(curves: Path, seeds: int, sampler: str, stopper: str, folder: Path | None) -> list[Row]:
    """A file for each sampler and stopper, with a line for each seed."""
    known: list[list[Row]] = []
    path = (
        None
        if folder is None
        else folder / f"sampler-{sampler}-{stopper}-{_fingerprint(sampler)}.jsonl".replace(":", "-")
    )
    if path is not None and path.exists():
        known = [_decode(line) for line in path.read_bytes().splitlines()]
    for seed in range(len(known), seeds):
        known.append(rows(curves, [seed], (sampler,), (stopper,), lambda problem: not problem.chosen_on))
        if path is not None:
            with path.open("ab") as file:
                file.write(msgspec.json.encode(known[-1]) + b"\n")
    return [row for of_seed in known[:seeds] for row in of_seed]


@cache
def _fingerprint(sampler: str) -> str:
    spaces = Path(search_spaces.__file__).parent.glob("*.py")
    kind = sampler.partition(":")[0]
    return fingerprint(
        [kind],
        SAMPLERS,
        ("samplers", "stoppers/asha.py", "stoppers/rungs.py", "stoppers/laddered.py"),
        Path(samplers.__file__),
        *spaces,
    )


def _tasks(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.task for row in found))


def samplers_table(found: Sequence[Row]) -> str:
    """A table for each stopper, of the recorded tasks and of the one that was made up."""
    heads = ["sampler", "after a third", "after two thirds", "at the end (quartiles)", "ahead of random: runs, tasks"]
    parts = []
    for made_up in (False, True):
        some = [row for row in found if (row.task == TWO_HILLS) is made_up]
        for stopper, group in groupby(summaries(some), key=lambda one: one.stopper):
            where = f"`{TWO_HILLS}`" if made_up else count(len(_tasks(some)), "task")
            how = "all trials to their end" if stopper == "none" else f"with `{stopper}`"
            table = markdown(heads, [_entries(one, len(_tasks(some))) for one in group])
            parts.append(f"{where[0].upper()}{where[1:]}, {how}:\n\n{table}")
    return "\n\n".join(parts)


def _entries(one: Summary, tasks: int) -> list[str]:
    *before, last = (f"{value:.2f}" for value in one.medians)
    low, high = one.quartiles
    ahead = (
        ""
        if one.sampler == "random"
        else f"{percent(one.runs_ahead['random'])}, {one.tasks_ahead['random']} of {tasks}"
    )
    return [f"`{one.sampler}`", *before, f"{last} ({low:.2f}–{high:.2f})", ahead]
