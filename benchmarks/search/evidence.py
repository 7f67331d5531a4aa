"""Every method on every file with every number of workers, and the figures of each such cell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from benchmarks.search.cache import Cache
from benchmarks.search.measures import Worth, regret_over_time, worth
from benchmarks.search.methods import NO_STOPPING, Method, runs_of
from benchmarks.search.tasks import TRAININGS, CurveFile, Floats, Task

FLOOR = 0.1
"""What a speed-up of 0 counts as where ratios and geometric means are taken."""


@dataclass(frozen=True)
class Cell:
    """Of one method, file and number of workers, over tasks and seeds."""

    runs: int
    speed_up: float
    """The median, and the quartiles."""
    quartiles: tuple[float, float]
    never: float
    """The share of runs that did not get as far as no stopping."""
    lost: float
    regret: float
    """The mean at the end of the budget."""
    over_time: Floats
    """The mean regret at the shares of the budget in `measures.GRID`."""


Key = tuple[str, int, str]
"""File, workers, method."""


@dataclass
class Evidence:
    files: list[CurveFile]
    workers: list[int]
    methods: list[Method]
    """Without no stopping."""
    seeds: int
    cells: dict[Key, Cell] = field(default_factory=dict)
    none: dict[tuple[str, int], Cell] = field(default_factory=dict)
    resumes: dict[tuple[str, int, str, float], Cell] = field(default_factory=dict)
    """Speed-ups where going on from a checkpoint costs so many epochs."""

    def cell(self, file: str, workers: int, method: Method) -> Cell:
        return self.cells[file, workers, method.name]

    def best_peer(self, file: str, workers: int) -> Method:
        """By the median speed-up, of those that the default is held against."""
        return max(self.rivals, key=lambda peer: self.cell(file, workers, peer).speed_up)

    @property
    def summed(self) -> list[CurveFile]:
        """What means over files are taken of. Where the budget trains more rows than there are, no stopping tries them
        all, and everything hangs on whether the single best row is given up: such a file is shown, and not summed."""
        return [file for file in self.files if file.tasks[0].rows > TRAININGS] or self.files

    @property
    def rivals(self) -> list[Method]:
        """The peers that the default is held against."""
        return [method for method in self.methods if method.compared]

    def mean(
        self, method: Method, workers: Iterable[int] | None = None, files: Iterable[CurveFile] | None = None
    ) -> float:
        """The geometric mean of the median speed-ups; over all summed files and numbers of workers unless given."""
        counts = list(self.workers if workers is None else workers)
        names = [file.name for file in (self.summed if files is None else files)]
        return geometric_mean(self.cell(name, count, method).speed_up for name in names for count in counts)

    @property
    def ours(self) -> list[Method]:
        """The default of `launch` first."""
        return [method for method in self.methods if method.kind == "ours"]

    @property
    def peers(self) -> list[Method]:
        return [method for method in self.methods if method.kind == "peer"]

    @property
    def default(self) -> Method:
        return self.ours[0]


def geometric_mean(values: Iterable[float]) -> float:
    logs = [log(max(value, FLOOR)) for value in values]
    return exp(sum(logs) / len(logs))


def ratio(value: float, other: float) -> float:
    return max(value, FLOOR) / max(other, FLOOR)


@dataclass(frozen=True)
class Plan:
    files: list[CurveFile]
    methods: list[Method]
    workers: list[int]
    seeds: int
    resume_costs: Sequence[float]
    """In epochs of mean length."""
    resume_workers: Sequence[int]
    tasks_of: Callable[[CurveFile], tuple[Task, ...]]


def gather(plan: Plan, cache: Cache, say: Callable[[str], None]) -> Evidence:
    evidence = Evidence(plan.files, plan.workers, plan.methods, plan.seeds)
    for file in plan.files:
        for workers in plan.workers:
            _gather(evidence, plan, file, workers, cache)
            say(f"{file.name}: {workers} worker{'s' * (workers > 1)} done")
    return evidence


def _gather(evidence: Evidence, plan: Plan, file: CurveFile, workers: int, cache: Cache) -> None:
    tasks = plan.tasks_of(file)
    none = runs_of(cache, NO_STOPPING, file, tasks, workers, plan.seeds)

    def cell(method: Method, resume: float = 0.0) -> Cell:
        runs = runs_of(cache, method, file, tasks, workers, plan.seeds, resume)
        worths = [worth(task, run, base) for (task, run), (_, base) in zip(runs, none, strict=True)]
        lines = [regret_over_time(task, workers, run) for task, run in runs]
        return _cell(worths, np.mean(lines, axis=0))

    evidence.none[file.name, workers] = cell(NO_STOPPING)
    for method in plan.methods:
        evidence.cells[file.name, workers, method.name] = cell(method)
        for cost in plan.resume_costs if method.pauses and workers in plan.resume_workers else ():
            evidence.resumes[file.name, workers, method.name, cost] = cell(method, cost)


def _cell(worths: Sequence[Worth], over_time: Floats) -> Cell:
    speed_ups = [one.speed_up for one in worths]
    low, middle, high = (float(part) for part in np.quantile(speed_ups, (0.25, 0.5, 0.75)))
    return Cell(
        runs=len(worths),
        speed_up=middle,
        quartiles=(low, high),
        never=float(np.mean([one.speed_up == 0 for one in worths])),
        lost=float(np.mean([one.lost for one in worths])),
        regret=float(np.mean([one.regret for one in worths])),
        over_time=over_time,
    )
