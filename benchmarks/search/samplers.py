"""What each sampler finds with the same number of epochs: on learning curves of any configuration, from a surrogate.

Recorded rows would not do: a sampler that chooses its own points must have the curve of exactly those. The surrogate
(`lcbench_surrogate.py` in the folder of the curves; needs onnxruntime) was fitted to 2,000 networks on each of its
tasks. Beside its 12 tasks stands one made up so that staging should lose: `two hills`.

Each run trains 60 configurations to their end, or with a stopper as many as have the same number of epochs, on 4
workers, each epoch as long as any other. Regret is in the metric's own units (here: percent of accuracy), from the best
value that any run or any row of the recorded curves has on that task.

Constants of the samplers were chosen on the tasks of even index; figures are of the others (`chosen_on` says which).
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from orchestrator.assignment import Assignment, Configuration
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.driver import drive
from orchestrator.objective import Objective
from orchestrator.samplers import make_sampler
from orchestrator.scheduler.events import TrialReported
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.stoppers import make_stopper
from search_spaces import Domain, Float, Int, Space

SAMPLERS = ("random", "sobol", "zoom", "staged")
STOPPERS = ("none", "asha:grace=3")
TRAININGS = 60
EPOCHS = 50
WORKERS = 4
SHARES = (1 / 3, 2 / 3, 1.0)
"""Of the epochs, at which the best so far is taken."""
GROUPS = {
    "learning_rate": 1,
    **dict.fromkeys(("momentum", "batch_size", "max_units"), 2),
    **dict.fromkeys(("num_layers", "weight_decay", "max_dropout"), 3),
}
TWO_HILLS = "two hills"
OBJECTIVE = Objective("val_accuracy", "max")

Curves = Callable[[Configuration], Sequence[float]]


@dataclass(frozen=True)
class Problem:
    """Something to search: the value after each epoch of any configuration."""

    name: str
    space: Space
    curve: Curves
    best_known: float
    chosen_on: bool
    """Whether constants were chosen on it."""


@dataclass(frozen=True)
class Row:
    """One run: the best value so far at each of `SHARES` of the epochs, and how far those are from the best known."""

    task: str
    chosen_on: bool
    stopper: str
    sampler: str
    seed: int
    trials: int
    best: tuple[float, ...]
    regret: tuple[float, ...]


def rows(
    curves_dir: Path,
    seeds: Iterable[int],
    samplers: Sequence[str] = SAMPLERS,
    stoppers: Sequence[str] = STOPPERS,
    wanted: Callable[[Problem], bool] | None = None,
) -> list[Row]:
    """A row for each task, stopper, seed and sampler.

    Args:
        curves_dir: Where lcbench12.npz and lcbench_surrogate.py are.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
    """
    seeds = list(seeds)
    found = []
    for problem in filter(wanted, problems(curves_dir)):
        runs = {
            (stopper, sampler, seed): run(problem, sampler, stopper, seed)
            for stopper in stoppers
            for seed in seeds
            for sampler in samplers
        }
        top = max([problem.best_known, *(best[-1] for best, _ in runs.values())])
        for (stopper, sampler, seed), (best, trials) in runs.items():
            regret = tuple(top - value for value in best)
            found.append(Row(problem.name, problem.chosen_on, stopper, sampler, seed, trials, best, regret))
    return found


@dataclass(frozen=True)
class Summary:
    """Of one sampler, over tasks and seeds."""

    stopper: str
    sampler: str
    medians: tuple[float, ...]
    """Of the regret at each of `SHARES`."""
    quartiles: tuple[float, float]
    """Of the regret at the end."""
    tasks_ahead: Mapping[str, int]
    """On how many tasks its median regret at the end is below that of each other sampler."""
    runs_ahead: Mapping[str, float]
    """In what share of (task, seed) it ends above each other sampler; half of those that end alike."""


def summaries(found: Sequence[Row]) -> list[Summary]:
    by_run = {(row.stopper, row.sampler, row.task, row.seed): row for row in found}
    tasks = list(dict.fromkeys(row.task for row in found))
    pairs = dict.fromkeys((row.stopper, row.sampler) for row in found)
    made = []
    for stopper, sampler in pairs:
        mine = [row for row in found if (row.stopper, row.sampler) == (stopper, sampler)]
        others = [other for beside, other in pairs if beside == stopper and other != sampler]
        ends = [row.regret[-1] for row in mine]

        def median_of(task: str, name: str, stopper: str = stopper) -> float:
            runs = [row for row in found if (row.stopper, row.sampler, row.task) == (stopper, name, task)]
            return median(row.regret[-1] for row in runs)

        def won(row: Row, name: str) -> float:
            theirs = by_run[row.stopper, name, row.task, row.seed].best[-1]
            return 0.5 if row.best[-1] == theirs else float(row.best[-1] > theirs)

        low, high = np.quantile(ends, [0.25, 0.75]).tolist()
        made.append(
            Summary(
                stopper,
                sampler,
                tuple(median(row.regret[place] for row in mine) for place in range(len(SHARES))),
                (low, high),
                {name: sum(median_of(task, sampler) < median_of(task, name) for task in tasks) for name in others},
                {name: sum(won(row, name) for row in mine) / len(mine) for name in others},
            )
        )
    return made


def run(problem: Problem, sampler: str, stopper: str, seed: int) -> tuple[tuple[float, ...], int]:
    """The best value so far at each of `SHARES`, and how many trials were begun."""
    trials = TRAININGS if stopper == "none" else None
    curves: dict[int, Sequence[float]] = {}

    def epoch_of(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        if assignment.trial not in curves:
            curves[assignment.trial] = problem.curve(assignment.configuration)
        return {OBJECTIVE.name: curves[assignment.trial][epoch - 1]}, 1.0

    asked = make_sampler(sampler, problem.space, seed, trials)
    scheduler = Scheduler(
        OBJECTIVE,
        asked,
        make_stopper(stopper, EPOCHS, OBJECTIVE, trials),
        Limits(trials=trials, max_epochs_total=TRAININGS * EPOCHS),
        max_epochs=EPOCHS,
        seed=seed,
    )
    reported: list[float] = []

    def watch(records: Sequence[Record]) -> None:
        reported.extend(record.metrics[OBJECTIVE.name] for record in records if isinstance(record, TrialReported))

    drive(scheduler, SimulatedBackend(epoch_of, OBJECTIVE, WORKERS, sampler=asked), None, watch)
    best = tuple(max(reported[: round(share * TRAININGS * EPOCHS)]) for share in SHARES)
    return best, len(scheduler.state.trials)


def problems(curves_dir: Path) -> list[Problem]:
    with np.load(curves_dir / "lcbench12.npz", allow_pickle=False) as file:
        known = {key: file[key] for key in file.files}
    columns = zip(*(known[name] for name in ("hp_names", "hp_low", "hp_high", "hp_scale", "hp_integer")), strict=True)
    space = Space({str(name): _domain(str(name), *of) for name, *of in columns})
    surrogate = _surrogate(curves_dir)

    def curve_of(task: str) -> Curves:
        def curve(configuration: Configuration) -> Sequence[float]:
            value, _ = surrogate(task, [list(configuration.values())], EPOCHS)
            values: list[float] = value[0].astype(float).tolist()
            return values

        return curve

    found = [
        Problem(str(task), space, curve_of(str(task)), float(np.nanmax(known["value"][place])), place % 2 == 0)
        for place, task in enumerate(known["task"])
    ]
    return [*found, two_hills()]


def two_hills() -> Problem:
    """The lower and wider hill is where the defaults are, and group 1 alone leads up to it; the higher one is met only
    by changing all three groups together."""
    names = {"a": 1, "b": 2, "c": 2, "d": 2, "e": 3, "f": 3}
    space = Space({name: Float(0, 1, group=group) for name, group in names.items()})

    def curve(configuration: Configuration) -> Sequence[float]:
        values = list(configuration.values())
        near = sum((value - 0.5) ** 2 for value in values[1:]) + (values[0] - 0.25) ** 2
        far = sum((value - 0.85) ** 2 for value in values)
        height = 100 * max(0.7 * exp(-near / 0.5), exp(-far / 0.4))
        return [height * (1 - exp(-epoch / 10)) for epoch in range(1, EPOCHS + 1)]

    return Problem(TWO_HILLS, space, curve, 100 * (1 - exp(-EPOCHS / 10)), chosen_on=False)


def _domain(name: str, low: float, high: float, scale: str, whole: bool) -> Domain:
    group = GROUPS[name]
    if whole:
        return Int(round(low), round(high), str(scale), group=group)
    return Float(float(low), float(high), str(scale), group=group)


@cache
def _surrogate(curves_dir: Path) -> Any:
    path = curves_dir / "lcbench_surrogate.py"
    spec = importlib.util.spec_from_file_location("lcbench_surrogate", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Surrogate()
