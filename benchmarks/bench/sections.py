"""The section of a part that compares trials by the hour, from its stored results."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from benchmarks.bench.figures import Measured, Round, Spread, differences, interval, mean_interval
from benchmarks.bench.parts import Results

RATES: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("from the first report on", lambda one: one.rate),
    ("for the whole command", lambda one: one.whole_rate),
)


@dataclass(frozen=True)
class Comparison:
    about: str
    ours: str
    unit: str
    """Of the first column of figures: trials/s, or the seconds of a worker that a trial takes."""
    accuracy: bool = False
    """Whether what they trained is compared too."""
    precise: bool = False
    """Whether ratios are so near 1 that their mean's interval is told."""


def rounds_of(results: Results) -> list[Round]:
    return [{name: Measured.from_json(one) for name, one in found.items()} for found in results["rounds"]]


def ratios(rounds: Sequence[Round], ours: str, theirs: str, rate: Callable[[Measured], float]) -> list[float]:
    """How many times as fast ours is, in each round that has both."""
    return [rate(one[ours]) / rate(one[theirs]) for one in rounds if ours in one and theirs in one]


def section(comparison: Comparison, results: Results) -> str:
    rounds = rounds_of(results)
    parts = [comparison.about, _rounds_line(rounds, results), _table(comparison, rounds, results["workers"])]
    if comparison.precise:
        parts.append(_intervals(comparison, rounds))
    if comparison.accuracy:
        parts.append(_accuracy(comparison, rounds))
    parts.append(_spent(comparison, rounds))
    return "\n\n".join(part for part in parts if part)


def losses(comparison: Comparison, results: Results) -> list[str]:
    """Whoever is faster than ours in the median."""
    rounds = rounds_of(results)
    found = []
    for peer in _peers(comparison, rounds):
        for where, rate in RATES:
            each = ratios(rounds, comparison.ours, peer, rate)
            if each and statistics.median(each) < 1:
                times = Spread.of([1 / ratio for ratio in each]).text()
                found.append(f"{peer} is {times} times as fast {where}")
    return found


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


def _table(comparison: Comparison, rounds: Sequence[Round], workers: int) -> str:
    by_rate = comparison.unit == "trials/s"
    heads = ["", "trials", comparison.unit, "ratio", "whole command, s", "ratio of trials by the whole command"]
    rows = []
    for name in _names(rounds):
        own = [one[name] for one in rounds if name in one]
        figure = [one.rate if by_rate else workers / one.rate for one in own]
        row = [name, f"{own[0].trials:,}", Spread.of(figure).text()]
        each = [[]] * 2 if name == comparison.ours else [ratios(rounds, comparison.ours, name, r) for _, r in RATES]
        first, whole = (Spread.of(found).text() if found else "1" for found in each)
        missing = len(rounds) - len(own)
        row[0] += f" (failed in {missing} of {len(rounds)} rounds)" if missing else ""
        rows.append([*row, first, Spread.of([one.whole for one in own]).text(), whole])
    return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))


def _intervals(comparison: Comparison, rounds: Sequence[Round]) -> str:
    lines = []
    for peer in _peers(comparison, rounds):
        each = ratios(rounds, comparison.ours, peer, RATES[0][1])
        if len(each) > 1:
            mean, low, high = interval(each)
            lines.append(
                f"Beside {peer}, {RATES[0][0]}: {mean:.3f} times as fast in the geometric mean of {len(each)} pairs, "
                f"95 % interval {low:.3f} to {high:.3f}."
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
    total = sum(sum(one.spent.values()) for one in own)
    shares = {activity: sum(one.spent.get(activity, 0.0) for one in own) / total for activity in own[0].spent}
    told = ", ".join(f"{activity} {share:.1%}" for activity, share in sorted(shares.items(), key=lambda s: -s[1]))
    return f"Our workers' time, from the first report until nothing was left to start: {told}."
