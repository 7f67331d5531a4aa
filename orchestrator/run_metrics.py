"""A run's counters and gauges, as the state has them; told once a second while a run goes on."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from orchestrator.scheduler.events import TrialFailed, TrialReported, WorkerLost
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.spending import spending
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.workers.metrics import BEST, BUSY, CHECKPOINTS, EPOCHS, FAILURES, LOSSES, REPORTS, TRIALS, WORKERS

LEAST_SECONDS = 1.0


class RunMetrics:
    def __init__(
        self,
        state: State,
        tell: Callable[[Mapping[tuple[str, str], float]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell` takes the values by the name of the metric and its label, counters as the sum so far."""
        self._state = state
        self._tell = tell
        self._clock = clock
        self._next = clock()
        self._counts: Counter[tuple[str, str]] = Counter({(REPORTS.name, ""): 0})

    def watch(self, records: Sequence[Record]) -> None:
        """After each batch; between two seconds it only counts."""
        reports = 0
        for record in records:
            kind = type(record)
            if kind is TrialReported:
                reports += 1
            elif kind is WorkerLost or kind is TrialFailed:
                self._count(record)
        self._counts[REPORTS.name, ""] += reports
        if self._clock() >= self._next:
            self._tell(self._values())
            self._next = self._clock() + LEAST_SECONDS

    def close(self) -> None:
        """How it ended; the process may live on, and with it what is told now."""
        self._tell({**self._values(), (WORKERS.name, ""): 0})

    def _count(self, record: Record) -> None:
        match record:
            case WorkerLost():
                self._counts[LOSSES.name, record.cause] += 1
            case TrialFailed():
                self._counts[FAILURES.name, record.kind] += 1

    def _values(self) -> dict[tuple[str, str], float]:
        state = self._state
        values: dict[tuple[str, str], float] = dict(self._counts)
        for status in Status:
            values[TRIALS.name, status] = state.count(status)
        values[WORKERS.name, ""] = len(state.workers)
        values[CHECKPOINTS.name, ""] = state.checkpoint_bytes
        values[EPOCHS.name, ""] = state.epochs_trained
        if (spent := spending(state)) is not None:
            values[BUSY.name, ""] = spent.busy_share
        if state.best is not None and state.best.best is not None:
            objective = state.objective.name
            values[BEST.name, objective] = state.best.best.metrics[objective]
        return values
