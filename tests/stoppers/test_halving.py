"""Synchronous halving's rules, one by one."""

import pytest

from orchestrator.objective import Objective
from tests.stoppers.play import Play


def cohort_of_nine(scores: list[float], text: str = "halving:grace=1") -> Play:
    """Max epochs 9, rungs 1 and 3: nine trials, three, one."""
    play = Play(text, max_epochs=9)
    play.arrive(*scores)
    return play


NINE = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5]


def test_a_whole_cohort_from_the_first_rung_to_the_end() -> None:
    play = cohort_of_nine(NINE)
    assert play.paused == set(range(9))
    assert [play.promote() for _ in range(3)] == [1, 3, 5]
    assert play.promote() is None and set(play.to_epoch.values()) == {3}
    play.train(1, 0.5)
    play.train(3, 0.6)
    assert play.promote() is None, "the third is still on its way"
    play.train(5, 0.4)
    assert play.promote() == 3 and play.to_epoch == {3: 9}
    assert play.train(3, 0.7) == "completed"
    assert play.promote() is None
    assert play.finalists() == [1, 5, 7, 8, 6, 4, 2, 0]


@pytest.mark.parametrize(
    ("scores", "promoted"),
    [
        pytest.param(NINE[:8], [], id="nobody before the last of a cohort"),
        pytest.param(NINE, [1, 3, 5], id="then a third"),
        pytest.param([0.5] * 9, [0, 1, 2], id="the earlier arrival wins ties"),
        pytest.param([-score for score in NINE], [0, 2, 4], id="scores may be negative"),
    ],
)
def test_the_top_third_of_a_cohort_goes_on(scores: list[float], promoted: list[int]) -> None:
    assert cohort_of_nine(scores).promotable() == promoted


@pytest.mark.parametrize(
    ("text", "max_epochs", "size"),
    [
        ("halving:grace=1", 27, 27),
        ("halving:grace=1", 10, 27),
        ("halving:grace=3", 27, 9),
        ("halving:grace=1,eta=2", 8, 8),
        ("halving:grace=1,cohort=5", 27, 5),
        ("halving:grace=9,cohort=1", 27, 1),
        ("halving:grace=1", 2, 3),
    ],
)
def test_the_size_of_a_cohort(text: str, max_epochs: int, size: int) -> None:
    play = Play(text, max_epochs)
    for place in range(size):
        assert play.promotable() == []
        play.arrive(-place)
    assert play.promotable()[0] == 0


def test_at_least_one_goes_on() -> None:
    assert cohort_of_nine([0.1, 0.2], "halving:grace=1,cohort=2").promotable() == [1]


def test_the_next_cohort_begins_while_one_waits_and_competes_on_its_own() -> None:
    play = cohort_of_nine([])
    slow = play.begin()
    play.arrive(*NINE[1:])
    play.arrive(2.0, 3.0)
    assert play.promotable() == [], "cohort 0 waits for its first trial, cohort 1 has two of nine"
    play.train(slow, NINE[0])
    assert play.promotable() == [1, 3, 5]
    play.arrive(*NINE[2:])
    assert play.promotable() == [1, 3, 5, 10, 9, 12], "the older cohort first"
    for _ in range(3):
        play.train(play.promote() or 0, 0.5)
    assert play.promotable() == [1, 10, 9, 12], "the highest rung first"


def test_reasons_name_the_cohort() -> None:
    play = cohort_of_nine([*NINE, *NINE])
    assert next(play.stopper.promotable()).reason == "promoted: epoch 1, rank 1 of 9 in cohort 0, within the top 3"
    assert play.stopper.standing(9) == "paused at epoch 1, rank 9 of 9 in cohort 1; one in 3 went on"
    trial = play.begin()
    play.stopper.reported(trial, 1, 0.5)
    reason = "epoch 1, rank 1 of 1 in cohort 2 so far; one in 3 go on once all have arrived"
    assert play.stopper.judge(trial, 1).reason == reason


@pytest.mark.parametrize("how", ["diverge", "fail", "end"])
def test_who_ends_on_the_way_holds_up_nobody(how: str) -> None:
    play = cohort_of_nine(NINE[:8])
    last = play.begin()
    play.end(last, "ended", "completed") if how == "end" else getattr(play, how)(last)
    assert play.promotable() == ([1, 3, 5] if how == "diverge" else [1, 3]), "a diverged one counts among the nine"
    while (trial := play.promote()) is not None:
        play.end(trial, "ended", "completed") if how == "end" else getattr(play, how)(trial)
    assert play.to_epoch == {}, "also on the way to the next rung"


def test_the_place_of_one_that_fails_goes_to_the_next_within_the_top() -> None:
    play = cohort_of_nine([*NINE, 0.0], "halving:grace=1,cohort=10")
    assert [play.promote() for _ in range(3)] == [1, 3, 5]
    play.train(1, 0.5)
    play.fail(3)
    assert play.promotable() == [7], "three of nine: trials 1, 5 and now 7"
    assert play.promote() == 7
    play.fail(5)
    assert play.promotable() == [], "two of eight: trials 1 and 7, which is on its way"
    play.train(7, 0.6)
    assert play.promotable() == [7]


def test_all_of_a_cohort_may_diverge() -> None:
    play = cohort_of_nine([])
    for _ in range(9):
        play.diverge(play.begin())
    assert play.promotable() == [] and play.finalists() == []
    play.arrive(*NINE)
    assert play.promotable() == [10, 12, 14]


def test_a_lost_trial_is_waited_for_and_its_first_value_stands() -> None:
    play = cohort_of_nine(NINE[:8])
    last = play.begin()
    play.lose(last)
    assert play.promotable() == []
    play.train(last, 0.05)
    assert play.promote() == 1
    play.report(1, 2, 0.5)
    play.lose(1)
    play.train(1, 0.0)
    assert play.paused == {0, 1, 2, 3, 4, 5, 6, 7, 8}, "it was judged at epoch 3 only"
    assert play.stopper.standing(1) == "paused at epoch 3, rank 1 of 1 in cohort 0; one in 3 went on"
    assert play.promotable() == [3, 5], "0.9 at epoch 1 stands, so there is no place more"


def test_a_jump_counts_at_each_rung() -> None:
    play = cohort_of_nine([])
    assert play.report(play.begin(), 5, 0.85) == "pause"
    play.arrive(*NINE[:8])
    assert play.promotable() == [2, 4], "of the top three one has a place already, and is past it"
    for _ in range(2):
        play.train(play.promote() or 0, 0.4)
    assert play.promotable() == [0]


def test_the_last_cohort_counts_with_what_it_has() -> None:
    play = cohort_of_nine(NINE[:4])
    assert play.promotable() == []
    play.tell("closed")
    assert play.promote() == 1, "floor(4 / 3) of four"
    play.train(1, 0.9)
    assert play.promote() == 1 and play.to_epoch == {1: 9}


def test_closing_before_anything_has_begun_or_arrived() -> None:
    play = cohort_of_nine([])
    play.tell("closed")
    assert play.promotable() == []
    play = cohort_of_nine([])
    trial = play.begin()
    play.tell("closed")
    assert play.promotable() == []
    play.train(trial, 0.5)
    assert play.promotable() == [trial]


def test_without_rungs_every_trial_trains_to_the_end() -> None:
    play = Play("halving:grace=9", max_epochs=9)
    assert [play.train(play.begin(), 0.5) for _ in range(3)] == ["completed"] * 3


def test_direction_min_is_turned_at_the_door() -> None:
    objective = Objective("loss", "min")
    play = Play("halving:grace=1", max_epochs=9, objective=objective)
    play.arrive(*(objective.turn(loss) for loss in NINE))
    assert play.promotable() == [0, 2, 4]


def test_with_another_first_rung_another_cohort_begins() -> None:
    play = Play("halving:grace=auto", max_epochs=27, trials=100)
    play.arrive(*range(8))
    assert [len(cohort.ladder.rungs) for cohort in play.stopper.cohorts] == [1, 1, 1], "of the probes, from epoch 9 on"
    begun_before = play.begin()
    play.arrive(8)
    assert play.reasons == ["grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 9 trials"]
    play.train(begun_before, 0.5)
    play.arrive(*range(27))
    sizes = [cohort.begun for cohort in play.stopper.cohorts]
    assert sizes == [3, 3, 3, 1, 27], "the fourth had begun, and gets no more"
