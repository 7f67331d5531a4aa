"""The section of a part that compares trials by the hour, from its stored results."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

from benchmarks.bench.figures import Measured, Round, Spread, differences, interval, mean_interval, shown
from benchmarks.bench.parts import Results

Time = Callable[[Measured], float]


def per_trial(one: Measured) -> float:
    return one.seconds / one.trials


def whole(one: Measured) -> float:
    return one.whole


def start(one: Measured) -> float:
    return one.first_report


TIMES: dict[str, Time] = {
    "a trial, from the first report on": per_trial,
    "the whole command": whole,
    "until the first report": start,
}
"""The whole command is compared only between those that had the same number of trials."""


@dataclass(frozen=True)
class Comparison:
    about: str
    ours: str
    unit: Literal["trials/s", "seconds of a worker per trial"]
    accuracy: bool = False
    """Whether what they trained is compared too."""
    precise: bool = False
    """Whether ratios are so near 1 that their mean's interval is told."""


def rounds_of(results: Results) -> list[Round]:
    return [{name: Measured.from_json(one) for name, one in found.items()} for found in results["rounds"]]


def ratios(rounds: Sequence[Round], ours: str, theirs: str, time: Time) -> list[float]:
    """How many times as fast ours is, in each round that has both."""
    return [time(one[theirs]) / time(one[ours]) for one in rounds if ours in one and theirs in one]


def section(comparison: Comparison, results: Results) -> str:
    rounds = rounds_of(results)
    parts = [
        comparison.about,
        _rounds_line(rounds, results),
        _table(comparison, rounds, results["contestants"], results["workers"]),
    ]
    if comparison.precise:
        parts.append(_intervals(comparison, rounds))
    if comparison.accuracy:
        parts.append(_accuracy(comparison, rounds))
    parts.append(_spent(comparison, rounds))
    return "\n\n".join(part for part in parts if part)


def losses(comparison: Comparison, results: Results) -> list[str]:
    """Whoever is faster than ours in the median."""
    rounds, ours = rounds_of(results), comparison.ours
    found = []
    for what, time in TIMES.items():
        peers = [peer for peer in _peers(comparison, rounds) if time is not whole or _same_trials(rounds, ours, peer)]
        ahead = [peer for peer in peers if statistics.median(ratios(rounds, ours, peer, time) or [1]) < 1]
        if ahead:
            told = [f"{name} {shown(statistics.median(map(time, _of(rounds, name))))} s" for name in [*ahead, ours]]
            found.append(f"{what}: {', '.join(told[:-1])}; {told[-1]}")
    return found


def _same_trials(rounds: Sequence[Round], ours: str, peer: str) -> bool:
    return {one.trials for one in _of(rounds, peer)} == {one.trials for one in _of(rounds, ours)}


def _of(rounds: Sequence[Round], name: str) -> list[Measured]:
    return [one[name] for one in rounds if name in one]


def _peers(comparison: Comparison, rounds: Sequence[Round]) -> list[str]:
    return [name for name in _names(rounds) if name != comparison.ours]


def _names(rounds: Sequence[Round]) -> list[str]:
    """In the order of the first round, which is that of the part."""
    return list(dict.fromkeys(name for one in rounds for name in one))


def _rounds_line(rounds: Sequence[Round], results: Results) -> str:
    return (
        f"{len(rounds)} round{'s' if len(rounds) > 1 else ''}, {results['workers']} workers of one thread. Medians, "
        "least and most in brackets; ratios are those within a round, and say how many times as fast ours is."
    )


def _table(comparison: Comparison, rounds: Sequence[Round], contestants: Sequence[str], workers: int) -> str:
    heads = ["", "trials", comparison.unit, "ratio", "whole command, s", "ratio", "until the first report, s"]
    rows = [_row(comparison, rounds, workers, name) for name in contestants]
    return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def _row(comparison: Comparison, rounds: Sequence[Round], workers: int, name: str) -> list[str]:
    own, is_ours = _of(rounds, name), name == comparison.ours
    if not own:
        return [f"{name} (failed)"]

    def ratio(time: Time) -> str:
        return "1" if is_ours else Spread.of(ratios(rounds, comparison.ours, name, time)).text()

    missing = len(rounds) - len(own)
    return [
        name + (f" (failed in {missing} of {len(rounds)} rounds)" if missing else ""),
        f"{own[0].trials:,}",
        Spread.of([one.rate if comparison.unit == "trials/s" else workers / one.rate for one in own]).text(),
        ratio(per_trial),
        Spread.of([one.whole for one in own]).text(),
        ratio(whole) if _same_trials(rounds, comparison.ours, name) else "",
        Spread.of([one.first_report for one in own]).text(),
    ]


def _intervals(comparison: Comparison, rounds: Sequence[Round]) -> str:
    lines = []
    for peer in _peers(comparison, rounds):
        each = ratios(rounds, comparison.ours, peer, per_trial)
        if len(each) > 1:
            mean, low, high = interval(each)
            lines.append(
                f"Beside {peer}, from the first report on: {mean:.3f} times as fast in the geometric mean of "
                f"{len(each)} pairs, 95 % interval {low:.3f} to {high:.3f}."
            )
    return " ".join(lines)


def _accuracy(comparison: Comparison, rounds: Sequence[Round]) -> str:
    """The best validation accuracy of trials with the same configuration, ours less the other's."""
    rows = []
    for peer in _peers(comparison, rounds):
        both = [one for one in rounds if comparison.ours in one and peer in one]
        each = differences(both, comparison.ours, peer)
        if not each:
            continue
        common = min(len(one[comparison.ours].best.keys() & one[peer].best.keys()) for one in both)
        low, high = mean_interval(each)
        reach = f"{low:+.4f} to {high:+.4f}" if len(each) > 1 else "of one round there is none"
        rows.append([peer, str(common), f"{statistics.mean(each):+.4f}", reach])
    heads = ["best validation accuracy, ours less that of", "same configurations a round", "mean", "95 % interval"]
    return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True)) if rows else ""


def _spent(comparison: Comparison, rounds: Sequence[Round]) -> str:
    """What the workers' time went into, where ours tells."""
    own = [one[comparison.ours] for one in rounds if comparison.ours in one and one[comparison.ours].spent]
    if not own:
        return ""
    seconds = sum((Counter(one.spent) for one in own), Counter())
    told = ", ".join(f"{activity} {spent / seconds.total():.1%}" for activity, spent in seconds.most_common())
    return f"Our workers' time, from the first report until nothing was left to start: {told}."
