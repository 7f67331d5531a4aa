"""What is computed of what was measured: rates, ratios within a round, their spread."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, floor, inf, isfinite, isnan, log, log10, nan, sqrt
from typing import Any, Self

from scipy import stats

from benchmarks.bench.rounds import Ran
from benchmarks.bench.work import Report

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measured:
    """One contestant's figures in one round."""

    trials: int
    reports: int
    processes: int
    seconds: float
    """From the first report to the last trial's end."""
    whole: float
    """From the command's start until it had ended."""
    first_report: float
    """After the command's start, in seconds."""
    best: dict[int, float]
    """The best value of each listed configuration, by its place."""
    spent: dict[str, float]
    to_target: float | None = None
    """From the command's start until a trial reported the target, in seconds; infinite if none did."""

    @property
    def rate(self) -> float:
        """Trials a second."""
        return self.trials / self.seconds

    @property
    def waiting(self) -> float | None:
        """The share of the workers' time, None where nobody tells."""
        total = sum(self.spent.values())
        return self.spent.get("wait", 0.0) / total if total else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**found, "best": {int(place): value for place, value in found["best"].items()}})


Round = Mapping[str, Measured]
"""By contestant."""


def measured(ran: Ran, *, listed: bool = True, target: float | None = None) -> Measured:
    """`listed`: the trials are of configurations in a list, and their best values can be told apart."""
    outcome, began, ended = ran.outcome, ran.began, ran.ended
    first = min(report.at for report in outcome.reports)
    reached = None if target is None else time_to(outcome.reports, target) - began
    return Measured(
        trials=len(outcome.ends),
        reports=len(outcome.reports),
        processes=outcome.processes,
        seconds=max(outcome.ends, default=ended) - first,
        whole=ended - began,
        first_report=first - began,
        best=best_of(outcome.reports) if listed else {},
        spent=outcome.spent,
        to_target=reached,
    )


def best_of(reports: Iterable[Report]) -> dict[int, float]:
    best: dict[int, float] = {}
    for report in reports:
        best[report.trial] = max(report.value, best.get(report.trial, -inf))
    return best


def time_to(reports: Iterable[Report], target: float) -> float:
    """When the target was first reported, infinite if it never was."""
    return min((report.at for report in reports if report.value >= target), default=inf)


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of no values at all, NaN."""
        if not values:
            return cls(nan, nan, nan)
        return cls(statistics.median(values), min(values), max(values))

    def text(self) -> str:
        """`12.3 (11.0 to 14.1)`; of one value, that."""
        if self.low == self.high or isnan(self.median):
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.low)} to {shown(self.high)})"


def shown(value: float) -> str:
    """With three digits that count, or as many as there are before the point."""
    if isnan(value):
        return "–"
    if not isfinite(value):
        return "never"
    return f"{value:,.{max(0, 2 - floor(log10(value)))}f}" if value > 0 else "0"


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios and its confidence interval, from the t distribution of their logarithms."""
    logs = [log(ratio) for ratio in ratios]
    low, high = mean_interval(logs)
    return exp(statistics.mean(logs)), exp(low), exp(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The confidence interval of a mean; of fewer than two values there is none."""
    if len(values) < 2:
        return -inf, inf
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * statistics.stdev(values) / sqrt(len(values))
    return statistics.mean(values) - reach, statistics.mean(values) + reach


def differences(rounds: Iterable[Round], ours: str, theirs: str) -> list[float]:
    """How far our best values lie above theirs, a mean over the configurations that both trained for each round."""
    found = []
    for one in rounds:
        mine, other = one[ours].best, one[theirs].best
        common = mine.keys() & other.keys()
        if common:
            found.append(statistics.mean(mine[place] - other[place] for place in common))
    return found
