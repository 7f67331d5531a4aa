"""What a run's counters and gauges say, beside what happened."""

from collections.abc import Mapping

from orchestrator.run_metrics import LEAST_SECONDS, RunMetrics
from orchestrator.scheduler.events import Event
from orchestrator.scheduler.trial import Status
from orchestrator.workers.metrics import METRICS
from tests.scheduler.support import Brain, completed, failed, joined, lost, reported, saved, spent, started

Told = Mapping[tuple[str, str], float]


class Watched:
    """A run whose metrics are told whenever a second of its watch has passed."""

    def __init__(self, **settings: object) -> None:
        self.brain = Brain("none", **{"trials": 3, "epochs": 2, "queues": False, **settings})  # type: ignore[arg-type]
        self.told: list[Told] = []
        self.seconds = 0.0
        self.metrics = RunMetrics(self.brain.state, self.told.append, lambda: self.seconds)

    def live(self, *events: Event, seconds: float = LEAST_SECONDS) -> dict[str, float]:
        records = [record for event in events for record in (event, *self.brain.handle(event))]
        self.seconds += seconds
        self.metrics.watch(records)
        return self.last()

    def last(self) -> dict[str, float]:
        return {
            name.removeprefix("orchestrator_") + f" {label}" * bool(label): v
            for (name, label), v in self.told[-1].items()
        }


def test_every_metric_tells_what_has_happened() -> None:
    run = Watched()
    start = [started(), joined(0, at=10), spent(0, 10, start=10), joined(1, at=10), spent(1, 10, start=10)]
    told = run.live(*start, reported(0, 1, 0.25, at=20), saved(0, 1, at=20), reported(1, 1, 0.5, at=20))
    assert told == {
        **{f"trials {status}": 0 for status in Status},
        "trials running": 2,
        "workers": 2,
        "checkpoint_bytes": 1,
        "epochs": 2,
        "reports": 2,
        "busy_ratio": 1,
        "best_objective val": 0.5,
    }
    told = run.live(failed(1, kind="exception", at=21), lost(0, cause="preempted", at=22))
    assert told["attempt_failures exception"] == told["worker_losses preempted"] == 1
    assert (told["workers"], told["trials waiting"]) == (1, 1)
    assert {name for name, _ in run.told[-1]} == {metric.name for metric in METRICS}


def test_the_best_objective_is_shown_as_reported() -> None:
    told = Watched(direction="min").live(started(), joined(0), reported(0, 1, 3.0), reported(0, 2, 2.0), completed(0))
    assert (told["best_objective val"], told["trials completed"]) == (2.0, 1)


def test_it_looks_at_the_state_once_a_second_and_counts_all_the_same() -> None:
    run = Watched()
    run.live(started(), joined(0))
    for epoch in (1, 2):
        run.live(reported(0, epoch, 0.5), seconds=LEAST_SECONDS / 4)
    assert len(run.told) == 1
    assert run.live()["reports"] == 2
    assert len(run.told) == 2


def test_a_run_that_is_over_has_no_workers() -> None:
    """Though its last words are shown for as long as the process lives."""
    run = Watched(trials=1)
    run.live(started(), joined(0), reported(0, 1, 0.5), completed(0))
    run.metrics.close()
    assert (run.last()["workers"], run.last()["trials completed"], run.last()["reports"]) == (0, 1, 1)
