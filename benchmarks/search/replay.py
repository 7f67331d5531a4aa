"""One run of a peer's stopping rule on recorded curves, in virtual time.

Rows come in the order `numpy.random.default_rng(seed).permutation(C)` and, when these are used up, in further passes
by the same generator. A free worker begins the next row at once; after each epoch the rule is asked whether the trial
goes on. The budget is cut sharply: epochs that would end after it never were.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.search.tasks import Task

ROUNDING = 1 + 1e-9
"""Sums of seconds differ in their last bits."""


class Rule(Protocol):
    """A peer's rule. Values are as recorded, NaN among them."""

    def begin(self, trial: int) -> None: ...

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        """Asked after each epoch but the last."""
        ...

    def complete(self, trial: int, epoch: int, value: float) -> None:
        """Told after the last epoch."""
        ...


@dataclass(frozen=True)
class Run:
    """What is kept of a run, ours or a peer's."""

    seed: int
    trace: list[tuple[float, int, int, float]]
    """Time, row, epoch and value, each time the best value so far improves."""
    contender: int | None
    """Of the rows that were begun early enough to be trained to their end, the one with the best maximum."""
    begun: int
    """Before the budget was spent."""
    epochs: int
    completed: int


@dataclass
class _Progress:
    trace: list[tuple[float, int, int, float]] = field(default_factory=list)
    best: float = -np.inf

    def see(self, time: float, row: int, epoch: int, value: float, score: float) -> None:
        if score > self.best:
            self.best = score
            self.trace.append((time, row, epoch, value))


def rows_in_order(seed: int, rows: int) -> Iterator[int]:
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.permutation(rows).tolist()


def replay(task: Task, rule: Rule, seed: int, workers: int) -> Run:
    budget = task.budget(workers) * ROUNDING
    order, value, elapsed = rows_in_order(seed, task.rows), task.value.tolist(), task.elapsed.tolist()
    progress = _Progress()
    begun: list[tuple[float, int]] = []
    pending: list[tuple[float, int, int, int]] = []  # end of an epoch, place in line, trial, epoch
    epochs = completed = line = 0

    def begin(now: float) -> None:
        nonlocal line
        trial, row = len(begun), next(order)
        begun.append((now, row))
        rule.begin(trial)
        heapq.heappush(pending, (now + elapsed[row][1], line, trial, 1))
        line += 1

    for _ in range(workers):
        begin(0.0)
    while pending[0][0] <= budget:
        now, _, trial, epoch = heapq.heappop(pending)
        row = begun[trial][1]
        worth = value[row][epoch - 1]
        epochs += 1
        progress.see(now, row, epoch, worth, task.score[row, epoch - 1])
        if epoch == task.epochs:
            rule.complete(trial, epoch, worth)
            completed += 1
        elif rule.goes_on(trial, epoch, worth):
            end = now + elapsed[row][epoch + 1] - elapsed[row][epoch]
            heapq.heappush(pending, (end, line, trial, epoch + 1))
            line += 1
            continue
        begin(now)
    started = sum(time < task.budget(workers) for time, _ in begun)
    return Run(seed, progress.trace, contender_of(task, workers, begun), started, epochs, completed)


def contender_of(task: Task, workers: int, begun: Iterable[tuple[float, int]]) -> int | None:
    """Of rows with the time at which each was begun."""
    budget = task.budget(workers) * ROUNDING
    early = (row for time, row in begun if time + task.elapsed[row, -1] <= budget)
    return max(early, key=lambda row: task.maximum[row], default=None)
