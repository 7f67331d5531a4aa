"""Runs in virtual time."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import msgspec
import pytest

from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.draws import Purpose, generator
from orchestrator.driver import drive
from orchestrator.scheduler.events import TrialReported
from orchestrator.scheduler.instructions import Pause, Record, Train
from orchestrator.scheduler.validation import validate
from tests.scheduler.support import Brain, Numbers, checkpoint, dump, finish, started, time_reached, wake_at

Curve = Callable[[Assignment, int], tuple[Mapping[str, float], float] | None]


def quality(number: int) -> float:
    return float(generator(1, number, Purpose.CONFIGURATION).random())


def rising(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
    return {"val": quality(assignment.configuration["number"]) * (1 - 0.5**epoch)}, 1.0


def uneven(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
    """Some trials are slower, and the best few diverge."""
    value = quality(assignment.configuration["number"])
    return {"val": nan if value > 0.9 and epoch > 2 else value * (1 - 0.5**epoch)}, 0.5 + value


@dataclass
class Run:
    stopper: str
    curve: Curve = rising
    workers: int = 4
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records: list[Record] = []
        self.brain = Brain(self.stopper, **self.settings)
        self.backend = SimulatedBackend(self.curve, self.brain.state.objective, self.workers)
        drive(self.brain, self.backend, None, self.records.extend)

    @property
    def statuses(self) -> dict[str, int]:
        return dict(Counter(str(trial.status) for trial in self.brain.state.trials))

    @property
    def reports(self) -> list[tuple[int, TrialReported]]:
        """With the worker that trained the epoch."""
        worker_of: dict[int, int] = {}
        found = []
        for record in self.records:
            if isinstance(record, Train):
                worker_of[record.assignment.trial] = record.worker
            elif isinstance(record, TrialReported):
                found.append((worker_of[record.trial], record))
        return found


def test_without_stopping_all_trials_train_to_the_end() -> None:
    run = Run("none", settings={"trials": 10, "epochs": 9})
    assert run.statuses == {"completed": 10}
    assert run.brain.state.epochs_trained == 90
    assert run.backend.now == 27.0, "ten trials of nine seconds on four workers"
    assert run.brain.state.finished == finish("done", reason="all 10 trials ended")


def test_asha_trains_less_and_finds_as_good() -> None:
    settings = {"trials": 60, "epochs": 27}
    full, asha = Run("none", settings=settings), Run("asha", settings=settings)
    assert asha.brain.state.epochs_trained < full.brain.state.epochs_trained / 4
    assert asha.brain.state.best is not None and full.brain.state.best is not None
    assert asha.brain.state.best.number == full.brain.state.best.number
    assert set(asha.statuses) == {"completed", "stopped"} and asha.statuses["completed"] >= 1


def test_median_trains_less() -> None:
    run = Run("median", settings={"trials": 60, "epochs": 27})
    assert run.brain.state.epochs_trained < 60 * 27 * 0.75
    assert set(run.statuses) == {"completed", "stopped"}


@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_run_twice(stopper: str, workers: int) -> None:
    first, second = (Run(stopper, uneven, workers, {"trials": 30, "epochs": 9}) for _ in range(2))
    assert dump(first.records) == dump(second.records)
    assert first.backend.now == second.backend.now


@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
def test_no_worker_trains_two_trials_at_once_and_none_is_idle_for_long(stopper: str) -> None:
    run = Run(stopper, uneven, 3, {"trials": 40, "epochs": 9})
    free_at = dict.fromkeys(range(3), 0.0)
    for worker, report in run.reports:
        assert report.at - report.seconds >= free_at[worker] - 1e-9
        free_at[worker] = report.at
    busy = sum(report.seconds for _, report in run.reports)
    assert busy / (3 * run.backend.now) > 0.8


def test_time_never_goes_back() -> None:
    run = Run("asha", uneven, 5, {"trials": 40, "epochs": 9})
    times = [record.at for record in run.records if hasattr(record, "at")]
    assert times == sorted(times)


def test_it_wakes_at_the_last_time_that_was_asked_for() -> None:
    backend = SimulatedBackend(rising, Brain().state.objective, workers=0)
    assert backend.wait() == [started()]
    backend.carry_out([wake_at(10.0), wake_at(30.0)])
    backend.carry_out([wake_at(20.0)])
    assert backend.wait() == [time_reached(20.0)]
    assert backend.now == 20.0


def test_when_nothing_is_left_to_happen_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="nothing is left to happen"):
        Run("none", workers=0)


def test_queued_trials_begin_one_after_another() -> None:
    run = Run("none", lambda assignment, epoch: ({"val": 0.5}, 0.001), 2, {"trials": 100, "epochs": 1})
    assert any(record.queued for record in run.records if isinstance(record, Train))
    assert run.backend.now == pytest.approx(0.05)
    assert run.statuses == {"completed": 100}


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_no_number_ends_the_trial(value: float) -> None:
    run = Run("none", lambda assignment, epoch: ({"val": value if epoch == 2 else 0.5}, 1.0), 1, {"trials": 1})
    trial = run.brain.state.trials[0]
    assert (trial.status, trial.epoch, trial.score) == ("diverged", 1, None), "the epoch itself is not reported"
    assert run.backend.now == 2.0, "but takes its time"
    assert run.brain.state.finished == finish("failed", reason="1 diverged")


def test_a_worker_has_one_event_ahead_of_it() -> None:
    asked: list[int] = []

    def curve(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        asked.append(epoch)
        return {"val": 0.5}, 1.0

    brain = Brain("none", trials=1, epochs=1000)
    backend = SimulatedBackend(curve, brain.state.objective, workers=1)
    for _ in range(5):
        for event in backend.wait():
            backend.carry_out(brain.handle(event))
    assert backend.now == 3.0 and asked == [1, 2, 3, 4], "started, joined, three reports, and the next on the way"


def test_what_comes_before_the_first_epoch() -> None:
    """Of a new trial 5 seconds, of one that goes on from a checkpoint 2, of one that is in memory nothing."""
    brain = Brain("asha:grace=1,eta=2", trials=12, epochs=9)
    backend = SimulatedBackend(
        rising, brain.state.objective, workers=1, overhead=lambda assignment: 2.0 if assignment.start else 5.0
    )
    records: list[Record] = []
    drive(brain, backend, None, records.extend)
    resumed = sum(isinstance(record, Train) and record.assignment.start is not None for record in records)
    assert resumed > 0
    assert backend.now == backend.busy_seconds == 12 * 5.0 + resumed * 2.0 + brain.state.epochs_trained


def test_training_may_end_by_itself() -> None:
    run = Run("none", lambda assignment, epoch: ({"val": 0.5}, 1.0) if epoch < 4 else None, 1, {"trials": 2})
    assert [(trial.status, trial.epoch, trial.reason) for trial in run.brain.state.trials] == [
        ("completed", 3, "reached epoch 3")
    ] * 2


def test_a_slow_sampler_is_asked_at_once() -> None:
    class Slow(Numbers):
        slow = True

    brain = Brain("none", trials=None, epochs=2)
    brain.sampler = Slow(until=5)
    drive(brain, SimulatedBackend(rising, brain.state.objective, 2, sampler=brain.sampler), None)
    assert [trial.configuration["number"] for trial in brain.state.trials] == [0, 1, 2, 3, 4]
    assert brain.state.finished == finish("done", reason="there are 5 numbers")


def test_smaller_is_better_where_the_study_says_so() -> None:
    def loss(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        return {"val": assignment.configuration["number"] / epoch}, 1.0

    run = Run("asha", loss, 2, {"trials": 9, "epochs": 9, "direction": "min"})
    assert run.brain.state.best is run.brain.state.trials[0]
    assert run.brain.status(0) == "completed"


def test_a_paused_trial_goes_on_where_it_was() -> None:
    run = Run("asha", rising, 1, {"trials": 9, "epochs": 9})
    resumed = [r.assignment for r in run.records if isinstance(r, Train) and r.assignment.start is not None]
    assert resumed and any(isinstance(record, Pause) for record in run.records)
    for assignment in resumed:
        assert assignment.start == msgspec.structs.replace(
            checkpoint(assignment.trial, assignment.after_epoch), bytes=0
        )
    for trial in run.brain.state.trials:
        assert trial.attempt == 1
    told = [(r.trial, r.epoch) for r in run.records if isinstance(r, TrialReported)]
    assert sorted(told) == [(t.number, epoch) for t in run.brain.state.trials for epoch in range(1, t.epoch + 1)]


def test_the_best_models_checkpoint_is_kept() -> None:
    for stopper in ("none", "asha"):
        state = Run(stopper, rising, 3, {"trials": 30, "epochs": 9}).brain.state
        assert state.best is not None and state.best.checkpoint is not None
        assert [trial.number for trial in state.trials if trial.checkpoint] == [state.best.number]


@pytest.mark.parametrize("max_time", [1.0, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
def test_a_time_limit_ends_it_on_the_second(stopper: str, max_time: float) -> None:
    run = Run(stopper, rising, 3, {"trials": 50, "epochs": 9, "max_time": max_time})
    assert run.backend.now == max_time
    assert run.brain.state.ending is not None and "time limit" in run.brain.state.ending.reason


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
def test_a_target_ends_it_also_while_others_pause_in_the_same_moment(stopper: str, workers: int) -> None:
    def by_number(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        return {"val": 1 - 1 / (assignment.configuration["number"] + 1 + epoch)}, 1.0

    run = Run(stopper, by_number, workers, {"trials": 12, "epochs": 9, "target": 0.7})
    assert run.brain.state.finished == finish("done", reason="target reached: val 0.75")


def test_ten_thousand_trials() -> None:
    run = Run("asha", rising, 16, {"trials": 10_000, "epochs": 27, "checked": False})
    validate(run.brain.state)
    assert len(run.brain.state.trials) == 10_000
    assert run.brain.state.epochs_trained < 40_000
    assert run.brain.state.best is not None and run.brain.state.best.epoch == 27
