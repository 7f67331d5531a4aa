"""The median rule's answers, one by one."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.objective import Objective
from orchestrator.stoppers.median import Median
from tests.scheduler.support import dump

MAX = Objective("val", "max")


def told(*curves: list[float], **settings: int) -> Median:
    """Trials 0, 1, … have reported these scores at epochs 1, 2, …"""
    median = Median(27, MAX, **settings)
    for trial, curve in enumerate(curves):
        tell(median, trial, curve)
    return median


def tell(median: Median, trial: int, curve: list[float]) -> None:
    for epoch, score in enumerate(curve, start=1):
        median.reported(trial, epoch, score)


@pytest.mark.parametrize(
    ("others", "own", "verdict"),
    [
        pytest.param([1, 2, 3, 4, 5], 2.9, "stop", id="below the middle one of five"),
        pytest.param([1, 2, 3, 4, 5], 3.0, "go on", id="a tie goes on"),
        pytest.param([1, 2, 3, 4, 5], 3.1, "go on", id="above"),
        pytest.param([1, 2, 3, 4, 5, 6], 3.4, "stop", id="an even number: the mean of the two in the middle"),
        pytest.param([1, 2, 3, 4, 5, 6], 3.5, "go on", id="a tie with that mean"),
        pytest.param([1, 2, 3, 4], 0.0, "go on", id="four others are too few"),
        pytest.param([], 0.0, "go on", id="so is none"),
        pytest.param([5, 5, 5, 5, 5], 4.9, "stop", id="the others may be equal"),
        pytest.param([-5, -4, -3, -2, -1], -3.5, "stop", id="scores may be negative"),
    ],
)
def test_own_best_against_the_median_of_the_others(others: list[float], own: float, verdict: str) -> None:
    median = told(*([value] for value in others), [own])
    assert median.judge(len(others), 1).action == verdict


def test_the_own_value_is_not_among_the_others() -> None:
    """With its own 0 the median would be 2.5, without it is 3."""
    median = told([1], [2], [3], [4], [5], [0], [2.7])
    assert median.judge(6, 1).reason == "best 2.7 is not worse than the median 2.5 of 6 others at epoch 1"
    assert median.judge(5, 1).reason == "best 0 is worse than the median 2.85 of 6 others at epoch 1"


def test_of_the_trial_its_best_up_to_now_counts_and_of_the_others_their_means_up_to_the_epoch() -> None:
    others = [[0.0, 1.0, 0.5]] * 5  # means 0, 0.5, 0.5
    assert told(*others, [0.2, 0.2, 0.49]).judge(5, 3).action == "stop"
    assert told(*others, [0.2, 0.6, 0.0]).judge(5, 3).action == "go on"
    assert told(*others, [0.2, 0.5]).judge(5, 2).action == "go on"
    assert told(*others, [0.0]).judge(5, 1).action == "go on"


def test_all_that_have_reached_the_epoch_count_also_those_that_ended_since() -> None:
    median = told([1], [1], [1], [1, 1], [1, 1])
    for trial in range(5):
        median.ended(trial)
    tell(median, 5, [0.5, 0.5])
    assert median.judge(5, 1).action == "stop"
    assert median.judge(5, 2).reason == "epoch 2: 2 other trials are too few to compare, 5 needed"


def test_where_a_trial_must_be_judged() -> None:
    assert [Median(9, MAX).horizon(0, epoch) for epoch in (0, 1, 7, 8)] == [1, 2, 8, 9]
    assert [Median(9, MAX, grace=4).horizon(0, epoch) for epoch in (0, 3, 4, 8)] == [4, 4, 5, 9]
    assert Median(3, MAX, grace=4).horizon(0, 0) == 3


def test_before_the_grace_epoch_nothing_is_judged() -> None:
    """Another stopper may ask."""
    median = told([1, 1], [1, 1], [0, 0], least=2, grace=2)
    assert median.judge(2, 1).reason == "epoch 1 is before the grace epoch 2"
    assert [median.judge(2, epoch).action for epoch in (1, 2)] == ["go on", "stop"]


def test_how_many_others_are_needed_can_be_set() -> None:
    assert told([1], [1], [0], least=2).judge(2, 1).action == "stop"
    assert told([1], [0], least=2).judge(1, 1).action == "go on"


@pytest.mark.parametrize("score", [nan, inf, -inf])
def test_a_value_that_is_no_finite_number_is_left_out(score: float) -> None:
    others = [[1.0, score], [2.0, score], [3.0, 3.0], [4.0, 4.0], [5.0, 5.0], [0.5, 0.1]]
    median = told(*others)
    for trial in (0, 1):
        median.diverged(trial)
    assert "the median 3 of 5 others at epoch 1" in median.judge(5, 1).reason
    assert median.judge(5, 2).reason == "epoch 2: 3 other trials are too few to compare, 5 needed"


def test_a_failed_trial_counts_nowhere() -> None:
    median = told([1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [9, 9], [0.0])
    median.withdrawn(5)
    assert "the median 3 of 5 others at epoch 1" in median.judge(6, 1).reason
    median.withdrawn(4)
    assert median.judge(6, 1).action == "go on"
    median.withdrawn(7)  # it never reported
    assert [len(means) for means in median.means_at.values()] == [5, 4]


def test_the_first_value_stands_when_another_attempt_trains_the_epoch_again() -> None:
    median = told([1, 1], [2, 2], [3, 3], [4, 4], [5, 5])
    before = [list(means) for means in median.means_at.values()]
    tell(median, 4, [100, 100])
    assert [list(means) for means in median.means_at.values()] == before
    median.reported(4, 3, 9)
    assert list(median.means_at[3]) == [(5 + 5 + 9) / 3], "and its mean goes on from there"


def test_its_own_best_is_over_all_that_it_ever_reported() -> None:
    """Lost after 0.9, trial 5 trains its epochs again and gets less: it is judged by the 0.9 still."""
    median = told([0.5], [0.5], [0.5], [0.5], [0.5], [0.9])
    median.reported(5, 1, 0.1)
    assert median.judge(5, 1).reason == "best 0.9 is not worse than the median 0.5 of 5 others at epoch 1"


def test_a_jump_over_an_epoch_leaves_it_out_there() -> None:
    median = told([1], [1], [1], [1], [1], [1])
    for trial in range(5):
        median.reported(trial, 3, 3)
    assert 2 not in median.means_at and list(median.means_at[3]) == [2.0] * 5
    assert median.judge(5, 2).action == "go on"


def test_it_never_pauses_a_trial() -> None:
    median = told(*([value] for value in range(7)))
    assert list(median.promotable()) == [] and list(median.finalists()) == []
    assert {median.judge(trial, 1).action for trial in range(7)} == {"stop", "go on"}


def test_direction_min_is_turned_at_the_door_and_shown_as_reported() -> None:
    objective = Objective("loss", "min")
    median = Median(27, objective)
    for trial, loss in enumerate([0.1, 0.2, 0.3, 0.4, 0.5, 0.35]):
        median.reported(trial, 1, objective.score({"loss": loss}))
    verdict = median.judge(5, 1)
    assert verdict.action == "stop"
    assert verdict.reason == "best 0.35 is worse than the median 0.3 of 5 others at epoch 1"


numbers = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
histories = st.lists(st.lists(numbers, min_size=1, max_size=5), min_size=2, max_size=12)


@settings(max_examples=80, deadline=None)
@given(histories, st.integers(1, 6), st.sets(st.integers(1, 11), max_size=3))
def test_against_numpy(curves: list[list[float]], least: int, failed: set[int]) -> None:
    median = told(*curves, least=least)
    failed &= set(range(1, len(curves)))
    for trial in failed:
        median.withdrawn(trial)
    for trial in set(range(len(curves))) - failed:
        epoch = len(curves[trial])
        others = [
            sum(curve[:epoch]) / epoch
            for number, curve in enumerate(curves)
            if number != trial and number not in failed and len(curve) >= epoch
        ]
        stops = len(others) >= least and max(curves[trial]) < np.median(others)
        assert median.judge(trial, epoch).action == ("stop" if stops else "go on")


def test_questions_change_nothing() -> None:
    median = told(*([value, value] for value in range(7)))
    before = dump(median)
    for trial in range(7):
        median.judge(trial, 1), median.judge(trial, 2), median.judge(trial, 9)
        median.horizon(trial, 1), median.standing(trial), list(median.promotable()), list(median.finalists())
    assert dump(median) == before
