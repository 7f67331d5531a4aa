"""Patience's answers, one by one."""

from math import inf, nan

import pytest

from orchestrator.objective import Objective
from orchestrator.stoppers.patience import Patience
from tests.stoppers.play import Play


@pytest.mark.parametrize(
    ("text", "scores", "stopped_at"),
    [
        pytest.param("patience:3", [0.5], 4, id="the first score counts as an improvement"),
        pytest.param("patience:1", [0.5], 2, id="the least patience"),
        pytest.param("patience:3", [0.1, 0.2, 0.3], 6, id="three epochs after the best one"),
        pytest.param("patience:3", [0.1, 0.3, 0.2, 0.2, 0.4, 0.1], 8, id="an improvement in time begins anew"),
        pytest.param("patience:3", [0.1, 0.3, 0.2, 0.2, 0.2, 0.4], 5, id="one that comes too late is never seen"),
        pytest.param("patience:3", [0.5, 0.5, 0.5, 0.5], 4, id="a tie is no improvement"),
        pytest.param("patience:3", [-0.5, -0.4, -0.6], 5, id="scores may be negative"),
        pytest.param("patience:3,min_delta=0.1", [0.5, 0.55, 0.6, 0.59], 4, id="steps that are too small"),
        pytest.param("patience:3,min_delta=0.1", [0.5, 0.55, 0.65, 0.6], 6, id="but their sum counts"),
        pytest.param("patience:2,min_delta=0.25", [0.5, 0.75], 3, id="by more than min_delta"),
        pytest.param("patience:26", [0.5], None, id="max epochs comes first"),
        pytest.param("patience:25", [0.5], 26, id="just before"),
        pytest.param("patience:3", [epoch / 100 for epoch in range(27)], None, id="always improving"),
    ],
)
def test_when_a_trial_stops(text: str, scores: list[float], stopped_at: int | None) -> None:
    play = Play(text)
    trial = play.begin()
    while trial in play.to_epoch:
        play.report(trial, play.epoch[trial] + 1, scores[min(play.epoch[trial], len(scores) - 1)])
    assert (play.over[trial], play.epoch[trial]) == (("stopped", stopped_at) if stopped_at else ("completed", 27))


def test_it_asks_only_where_it_could_stop() -> None:
    play = Play("patience:5")
    trial = play.begin()
    assert play.to_epoch[trial] == 6
    play.train(trial, 0.1, 0.2, 0.3, 0.2)
    assert play.to_epoch[trial] == 8
    play.train(trial, 0.4)
    assert play.to_epoch[trial] == 12


def test_the_reason_has_the_numbers_as_reported() -> None:
    patience = Patience(27, Objective("loss", "min"), epochs=2, min_delta=0.01)
    for epoch, loss in enumerate([0.5, 0.3, 0.295, 0.4], start=1):
        patience.reported(0, epoch, -loss)
    assert patience.judge(0, 3).reason == "best 0.3 at epoch 2, 1 of 2 epochs ago"
    stop = "no improvement by more than 0.01 for 2 epochs, 2 allowed: best 0.3 at epoch 2"
    assert patience.judge(0, 4).reason == stop


@pytest.mark.parametrize("score", [nan, inf, -inf])
def test_a_value_that_is_no_finite_number_improves_nothing(score: float) -> None:
    patience = Patience(27, Objective("val", "max"), epochs=2)
    for epoch, value in enumerate([0.5, score, 0.4], start=1):
        patience.reported(0, epoch, value)
    assert patience.judge(0, 3).action == "stop"


def test_the_first_value_stands_when_another_attempt_trains_the_epoch_again() -> None:
    play = Play("patience:3")
    trial = play.begin()
    for score in (0.5, 0.6, 0.1):
        play.report(trial, play.epoch[trial] + 1, score)
    play.lose(trial)
    assert play.train(trial, 0.7, 0.7, 0.7, 0.2) == "go on", "at epoch 4, two after the best one"
    assert play.train(trial, 0.2) == "stop"


def test_a_jump_over_epochs() -> None:
    play = Play("patience:3")
    trial = play.begin()
    play.report(trial, 1, 0.5)
    assert play.report(trial, 6, 0.4) == "stop"
    trial = play.begin()
    assert play.report(trial, 6, 0.4) == "go on" and play.to_epoch[trial] == 9


def test_trials_do_not_count_for_each_other_and_nobody_waits() -> None:
    play = Play("patience:3")
    play.arrive(0.9, 0.1)
    assert play.over == {0: "stopped", 1: "stopped"} and play.promotable() == [] and play.finalists() == []


def test_ended_trials_are_forgotten() -> None:
    play = Play("patience:3")
    for end in (play.diverge, play.fail, lambda trial: play.end(trial, "ended", "completed")):
        trial = play.begin()
        play.report(trial, 1, 0.5)
        end(trial)
    assert play.stopper.best == {}
