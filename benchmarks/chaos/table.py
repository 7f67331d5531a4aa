"""The table of what was injected and what was lost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tabulate import tabulate

from benchmarks.chaos.faults import KINDS
from benchmarks.chaos.judge import UNEXPLAINED, Strike, Verdict

COLUMNS = (
    "fault",
    "injected",
    "results lost",
    "results duplicated",
    "epochs trained twice",
    "allowed",
    "recovery s, median",
    "max",
)
OF_NONE = "none (before the first fault)"


@dataclass(slots=True)
class Tally:
    """What all runs together have shown, by kind of fault."""

    runs: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    duplicated: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    compared: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, strikes: Sequence[Strike], seconds: Mapping[int, float | None], verdict: Verdict) -> None:
        """One run; how long it took to recover from each of its faults."""
        self.runs += 1
        kinds = {place: strike.kind for place, strike in enumerate(strikes)} | {UNEXPLAINED: OF_NONE}
        self.injected.update(strike.kind for strike in strikes)
        for place, kind in kinds.items():
            self.lost[kind] += verdict.lost[place]
            self.duplicated[kind] += verdict.duplicated[place]
            if (taken := seconds.get(place)) is not None:
                self.seconds.setdefault(kind, []).append(taken)
        for again in verdict.retrainings:
            self.twice[kinds[again.strike]] += again.epochs
            self.allowed[kinds[again.strike]] += again.allowed
        self.compared += verdict.compared
        self.problems += verdict.problems

    def table(self, not_injected: Mapping[str, str]) -> str:
        rows = [self._row(KINDS[kind], [kind]) for kind in KINDS if self.injected[kind]]
        rows += [[f"{KINDS[kind]}: not injected: {why}"] for kind, why in not_injected.items()]
        if self.twice[OF_NONE] or self.lost[OF_NONE] or self.duplicated[OF_NONE]:
            rows.append(self._row(OF_NONE, [OF_NONE]))
        rows.append(self._row("all", [*KINDS, OF_NONE]))
        return str(tabulate(rows, headers=COLUMNS, floatfmt=".1f", missingval=""))

    def _row(self, name: str, kinds: Sequence[str]) -> list[object]:
        seconds = [taken for kind in kinds for taken in self.seconds.get(kind, [])]
        counts = [self.injected, self.lost, self.duplicated, self.twice, self.allowed]
        times = [median(seconds), max(seconds)] if seconds else [None, None]
        return [name, *(sum(count[kind] for kind in kinds) for count in counts), *times]
