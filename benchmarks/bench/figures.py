"""What is computed of what was measured: rates, ratios within a round, their spread."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, inf, isfinite, log, sqrt
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
    def whole_rate(self) -> float:
        return self.trials / self.whole

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


def measured(ran: Ran, target: float | None = None) -> Measured:
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
        best=best_of(outcome.reports),
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
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 1) -> str:
        """`12.3 (11.0 to 14.1)`; of one value, that."""
        if self.low == self.high:
            return _number(self.median, digits)
        return f"{_number(self.median, digits)} ({_number(self.low, digits)} to {_number(self.high, digits)})"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if isfinite(value) else "never"


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
