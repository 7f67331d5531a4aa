"""What a run was worth.

* Speed-up: the time that no stopping takes to its best value of the whole budget, over the time to the same value;
  0 where the run never has it. Both runs see the same rows in the same order with the same workers.
* Regret: how far the best value so far is from the best of all rows, in units of the distance from the median row's
  best to the best of all. 0 is perfect, 1 is what a row of middling worth gives.
* Lost: of the rows that were begun early enough to be trained to their end within the budget, the one with the best
  maximum was given up, and the run ended worse than that by more than 0.001 of that unit.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import inf

import numpy as np

from benchmarks.search.replay import Run
from benchmarks.search.tasks import Floats, Task

NEGLIGIBLE = 1e-3
GRID = np.geomspace(0.01, 1.0, 61)
"""Shares of the budget at which regret is drawn."""


@dataclass(frozen=True)
class Worth:
    speed_up: float
    regret: float
    """At the end of the budget."""
    lost: bool


def best_of(task: Task, run: Run) -> float:
    return task.turned(run.trace[-1][3]) if run.trace else -inf


def worth(task: Task, run: Run, none: Run) -> Worth:
    target, mine = best_of(task, none), best_of(task, run)
    reached = (time for time, _, _, value in run.trace if task.turned(value) >= target)
    return Worth(
        speed_up=none.trace[-1][0] / next(reached, inf),
        regret=regret(task, mine),
        lost=run.contender is not None and mine < task.maximum[run.contender] - NEGLIGIBLE * task.scale,
    )


def regret(task: Task, score: float) -> float:
    """Bounded, so that a run without any value counts as a bad one."""
    return min((task.best - score) / task.scale, 10.0)


def regret_over_time(task: Task, workers: int, run: Run) -> Floats:
    """At the shares of `GRID` of the budget."""
    times = [time for time, *_ in run.trace]
    scores = [-inf, *(task.turned(value) for *_, value in run.trace)]
    budget = task.budget(workers)
    return np.array([regret(task, scores[bisect_right(times, share * budget)]) for share in GRID])
