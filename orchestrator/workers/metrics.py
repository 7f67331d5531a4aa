"""Counters and gauges of a run, for Prometheus, by way of Ray.

Ray exports what is told here as `ray_` and the name, a counter with `_total` behind it, from the node of the driver.
No label grows with the number of trials.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ray.util.metrics import Counter, Gauge

Values = Mapping[tuple[str, str], float]
"""By the name of the metric and the value of its own label, "" where it has none."""


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge"]
    help: str
    label: str | None = None
    """Beside `run`, which all have."""

    @property
    def exported(self) -> str:
        """As Prometheus sees it."""
        return f"ray_{self.name}{'_total' if self.kind == 'counter' else ''}"


TRIALS = Metric("orchestrator_trials", "gauge", "Trials that have begun, by state", "state")
BEST = Metric("orchestrator_best_objective", "gauge", "The best objective so far, as reported", "objective")
WORKERS = Metric("orchestrator_workers", "gauge", "Workers that are ready")
BUSY = Metric("orchestrator_busy_ratio", "gauge", "Share of the workers' time that went into trials, from 0 to 1")
CHECKPOINTS = Metric("orchestrator_checkpoint_bytes", "gauge", "Size of all checkpoints that are kept")
EPOCHS = Metric("orchestrator_epochs", "gauge", "Epochs trained since the run first began, those trained twice with it")
REPORTS = Metric("orchestrator_reports", "counter", "Reports that have arrived")
LOSSES = Metric("orchestrator_worker_losses", "counter", "Workers lost, whose trials are tried again", "cause")
FAILURES = Metric("orchestrator_attempt_failures", "counter", "Attempts at trials that failed", "cause")

METRICS = (TRIALS, BEST, WORKERS, BUSY, CHECKPOINTS, EPOCHS, REPORTS, LOSSES, FAILURES)


class Exporter:
    """Tells Ray how things stand; for one run, whose name is on everything."""

    def __init__(self, run: str) -> None:
        self._told: dict[tuple[str, str], float] = {}
        self._metrics: dict[str, tuple[Metric, Any]] = {}
        for metric in METRICS:
            make = Counter if metric.kind == "counter" else Gauge
            labels = ("run",) if metric.label is None else ("run", metric.label)
            made = make(metric.name, metric.help, labels).set_default_tags({"run": run})
            self._metrics[metric.name] = metric, made

    def tell(self, values: Values) -> None:
        """Every gauge as it is, every counter as the sum so far."""
        for key, value in values.items():
            metric, made = self._metrics[key[0]]
            labels = {} if metric.label is None else {metric.label: key[1]}
            if metric.kind == "gauge":
                made.set(value, labels)
            elif (more := value - self._told.get(key, 0.0)) > 0:
                made.inc(more, labels)
            self._told[key] = value
