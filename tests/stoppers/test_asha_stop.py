"""The stopping variant of ASHA, answer by answer."""

from math import nan

import pytest

from orchestrator.objective import Objective
from tests.stoppers.play import Play


@pytest.mark.parametrize(
    ("arrivals", "verdicts"),
    [
        pytest.param([0.1], ["go on"], id="the first to arrive goes on"),
        pytest.param([0.9, 0.1], ["go on", "stop"], id="one of two is better: not fewer than 2/3"),
        pytest.param([0.1, 0.9], ["go on", "go on"], id="none of two is better"),
        pytest.param([0.9, 0.8, 0.8], ["go on", "stop", "stop"], id="one of three is better: not fewer than one"),
        pytest.param([0.1, 0.1, 0.9, 0.8], ["go on", "go on", "go on", "go on"], id="one of four: fewer than 4/3"),
        pytest.param([0.1, 0.1, 0.1, 0.9, 0.8, 0.7], ["go on"] * 5 + ["stop"], id="two of six are better"),
        pytest.param([0.5, 0.5, 0.5], ["go on", "go on", "go on"], id="ties are not better"),
        pytest.param([0.0, -0.0], ["go on", "go on"], id="zero has no sign"),
        pytest.param([-0.1, -0.2], ["go on", "stop"], id="scores may be negative"),
    ],
)
def test_a_trial_goes_on_when_fewer_than_a_third_are_better(arrivals: list[float], verdicts: list[str]) -> None:
    play = Play("asha_stop:grace=1")
    assert [play.train(play.begin(), score) for score in arrivals] == verdicts


def test_the_reason_has_the_numbers() -> None:
    play = Play("asha_stop:grace=1,eta=4")
    play.arrive(0.5, 0.6)
    assert play.stopper.horizon(2, 0) == 1
    for trial, score, reason in (
        (2, 0.9, "epoch 1: 0 of 3 are better, fewer than one in 4"),
        (3, 0.1, "epoch 1: 3 of 4 are better, which is one in 4 or more"),
    ):
        play.stopper.reported(trial, 1, score)
        assert play.stopper.judge(trial, 1).reason == reason


def test_nobody_waits() -> None:
    play = Play("asha_stop:grace=1")
    play.arrive(0.9, 0.8, 0.1)
    assert play.promotable() == [] and play.finalists() == []
    assert play.to_epoch == {0: 3} and play.over == {1: "stopped", 2: "stopped"}


def test_a_decision_stands_whatever_arrives_later() -> None:
    play = Play("asha_stop:grace=1")
    play.arrive(0.5, 0.1, 0.9, 0.9)
    assert play.over == {1: "stopped"}
    assert play.train(0, 0.2) == "go on", "the first at epoch 3"


def test_diverged_trials_count_as_worst_and_failed_ones_not_at_all() -> None:
    play = Play("asha_stop:grace=1")
    play.arrive(0.9)
    for _ in range(2):
        trial = play.begin()
        play.stopper.reported(trial, 1, nan)
        play.diverge(trial)
    assert play.train(play.begin(), 0.5) == "go on", "one of four is better"
    play.fail(0)
    play.arrive(0.1)
    assert play.train(play.begin(), 0.4) == "go on", "one of five is better"


def test_after_a_jump_it_is_judged_at_the_highest_rung() -> None:
    play = Play("asha_stop:grace=1")
    play.arrive(0.9, 0.95, 0.99)
    trial = play.begin()
    assert play.report(trial, 5, 0.1) == "go on", "at epoch 1 four are better, at epoch 3 it is the first"
    assert play.to_epoch[trial] == 9
    assert play.train(0, 0.9) == "go on"
    assert play.train(1, 0.95) == "go on", "but its value counts at both: it is the worst of three at epoch 3"
    assert play.train(2, 0.94) == "go on", "one of four is better"


def test_a_lost_attempt_is_not_judged_again_at_the_rungs_that_it_had_reached() -> None:
    play = Play("asha_stop:grace=1")
    play.arrive(0.5, 0.9, 0.95)
    assert sorted(play.to_epoch) == [0, 1, 2]
    play.lose(0)
    assert play.report(0, 1, 0.0) is None
    assert play.stopper.judge(0, 1).action == "go on", "also when another stopper asks there"
    play.report(0, 2, 0.0)
    assert play.report(0, 3, 0.7) == "go on"


def test_direction_min_is_turned_at_the_door() -> None:
    objective = Objective("loss", "min")
    play = Play("asha_stop:grace=1", objective=objective)
    losses = [0.1, 0.2, 0.05]
    assert [play.train(play.begin(), objective.turn(loss)) for loss in losses] == ["go on", "stop", "go on"]
