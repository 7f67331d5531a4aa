"""What a run will cost, given what was measured. The measuring itself needs Ray: tests/on_ray."""

import pytest

from orchestrator import Float, Space, Study
from orchestrator.settings import resolve
from orchestrator.simulation.plan import Costs, Expected, Plan, TrialCost, costs_of, expected
from orchestrator.simulation.plan_report import duration, plan_text
from orchestrator.simulation.recorded import Row

STUDY = Study(
    space=Space(rate=Float(1e-4, 1, "log")),
    train=lambda configuration, ctx: None,
    objective="loss",
    direction="min",
)
COSTS = Costs([TrialCost(3.0, 2.0, 1.0, cold=False), TrialCost(30.0, 20.0, 1.0, cold=True)], resumes=[0.5], ready=10.0)


def planned(costs: Costs = COSTS, **settings: object) -> Plan:
    return expected(STUDY, resolve({"stopper": "none", **settings}), costs)


def test_without_stopping_it_is_a_sum() -> None:
    plan = planned(trials=8, epochs=5, workers=2, gpus_per_trial=0.5)
    cold, warm = 30 + 20 + 4, 3 * (3 + 2 + 4)
    assert plan.makespan == Expected(*[10.0 + cold + warm] * 3)
    assert plan.epochs == Expected(*[40.0] * 3)
    assert plan.gpu_hours.expected == pytest.approx((10 + cold + warm) * 2 * 0.5 / 3600)
    assert plan.cpu_hours.expected == pytest.approx((10 + cold + warm) * 2 / 3600)


def test_stopping_saves_and_leaves_a_range() -> None:
    plan = planned(trials=60, epochs=27, workers=4, stopper="asha:grace=1")
    assert 60 < plan.epochs.low < plan.epochs.high < 60 * 27 / 4
    assert plan.makespan.low < plan.makespan.expected < plan.makespan.high


def test_no_more_workers_than_trials() -> None:
    assert planned(trials=3, workers=100).workers == 3


def test_a_time_limit_is_simulated() -> None:
    plan = planned(trials=None, max_time="5m", workers=2)
    assert plan.makespan == Expected(*[300.0] * 3)


def test_a_target_is_not() -> None:
    assert planned(trials=8, workers=2, target=1e9).epochs == planned(trials=8, workers=2).epochs


def row(*seconds: float, start_cost: float = 1.0) -> Row:
    made = Row()
    made.seconds, made.start_cost = list(seconds), start_cost
    made.values = [0.5] * len(seconds)
    return made


def test_what_was_trained_for_one_epoch_gets_the_ratio_of_the_others() -> None:
    costs = costs_of([row(8.0, 2.0), row(4.0)], [], ready=0.0)
    assert [cost.later_epoch for cost in costs.trials] == [2.0, 1.0]
    assert costs.resumes == [1.0], "nothing was resumed: as a start"


@pytest.mark.parametrize(
    ("seconds", "text"), [(45.2, "45 s"), (700, "12 min"), (12_000, "3 h 20 min"), (191_000, "2 d 5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_text_has_every_number() -> None:
    text = plan_text(planned(trials=8, epochs=5, workers=2, gpus_per_trial=0.5)).splitlines()
    assert text[0] == (
        "Measured on 2 trials, medians: workers ready after 10 s, 3 s to start a trial, 2 s for its first epoch, "
        "1 s for a later one, 0.5 s to resume one."
    )
    assert text[1] == "8 trials of up to 5 epochs on 2 workers, sampler zoom, stopper none:"
    assert [line.split() for line in text[3:6]] == [
        ["from", "expected", "to"],
        ["makespan", "91", "s", "91", "s", "91", "s"],
        ["epochs", "40", "40", "40"],
    ]
