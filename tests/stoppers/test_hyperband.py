"""Hyperband's brackets: who is in which, and that each is an ASHA of its own."""

from collections import Counter

import pytest

from orchestrator.objective import Objective
from orchestrator.stoppers.hyperband import Hyperband
from tests.stoppers.play import Play

MAX = Objective("val", "max")


def in_bracket(hyperband: Hyperband, bracket: int, count: int) -> list[int]:
    return [trial for trial in range(1000) if hyperband.bracket_of(trial) == bracket][:count]


@pytest.mark.parametrize(
    ("max_epochs", "settings", "firsts", "sizes"),
    [
        (27, {}, [1, 3, 9, 27], [27, 12, 6, 4]),
        (81, {}, [1, 3, 9, 27, 81], [81, 34, 15, 8, 5]),  # as in the paper's table, for R = 81 and eta = 3
        (27, {"grace": 3}, [3, 9, 27], [9, 5, 3]),
        (16, {"eta": 4}, [1, 4, 16], [16, 6, 3]),
        (1, {}, [1], [1]),
        (5, {"grace": 9}, [5], [1]),
    ],
)
def test_brackets_and_their_shares(
    max_epochs: int, settings: dict[str, int], firsts: list[int], sizes: list[int]
) -> None:
    hyperband = Hyperband(max_epochs, MAX, **{"grace": 1} | settings)
    assert hyperband.firsts == firsts
    total = sum(sizes)
    for rounds in (1, 20):
        counts = Counter(hyperband.bracket_of(trial) for trial in range(rounds * total))
        assert all(abs(counts[place] - rounds * size) <= 2 for place, size in enumerate(sizes)), counts


def test_a_trial_trains_to_the_first_rung_of_its_bracket() -> None:
    hyperband = Hyperband(27, MAX, grace=1)
    for bracket, first in enumerate([1, 3, 9, 27]):
        for trial in in_bracket(hyperband, bracket, 3):
            assert hyperband.horizon(trial, 0) == first


def test_trials_compete_within_their_bracket() -> None:
    hyperband = Hyperband(27, MAX, grace=1)
    lower, higher = in_bracket(hyperband, 0, 3), in_bracket(hyperband, 1, 3)
    for trial, epoch, score in [(t, 1, 0.5) for t in lower[:2]] + [(t, 3, 0.9) for t in higher]:
        hyperband.reported(trial, epoch, score)
        assert hyperband.judge(trial, epoch).action == "pause"
        hyperband.paused(trial)
    assert [p.trial for p in hyperband.promotable()] == higher[:1], "three at epoch 3, two at epoch 1"
    hyperband.reported(lower[2], 1, 0.1)
    hyperband.paused(lower[2])
    first, second = hyperband.promotable()
    assert (first.trial, first.to_epoch) == (higher[0], 9) and (second.trial, second.to_epoch) == (lower[0], 3)
    assert second.reason == "bracket 0 of 4 (from epoch 1): promoted: epoch 1, rank 1 of 3, within the top 1"
    assert hyperband.standing(higher[1]).startswith("bracket 1 of 4 (from epoch 3): paused at epoch 3, rank 2 of 3")


def test_a_trial_of_the_last_bracket_trains_to_the_end() -> None:
    play = Play("hyperband:grace=1")
    while (trial := play.begin()) not in in_bracket(play.stopper, 3, 1):
        play.train(trial, 0.5)
    assert play.train(trial, 0.0) == "completed"


def test_what_diverges_or_fails_does_so_in_its_bracket() -> None:
    hyperband = Hyperband(27, MAX, grace=1)
    lower, higher = in_bracket(hyperband, 0, 4), in_bracket(hyperband, 1, 3)
    for trial in lower[1:]:
        hyperband.diverged(trial)
    hyperband.reported(lower[0], 1, 0.1)
    hyperband.paused(lower[0])
    for trial in higher:
        hyperband.reported(trial, 3, 0.5)
        hyperband.paused(trial)
    hyperband.withdrawn(higher[2])
    assert [p.trial for p in hyperband.promotable()] == lower[:1]
    assert [p.trial for p in hyperband.finalists()] == [*higher[:2], lower[0]]
    assert "bracket 1 of 4 (from epoch 3): nothing else is left" not in next(hyperband.finalists()).reason
    assert next(hyperband.finalists()).reason.startswith("nothing else is left: bracket 1 of 4 (from epoch 3): paused")


def test_probes_are_of_the_bracket_in_which_they_are_compared() -> None:
    play = Play("hyperband", trials=100)
    assert play.arrive(*range(9)) == list(range(9))
    assert {play.stopper.bracket_of(trial) for trial in range(9)} == {2}
    assert play.reasons == ["grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 9 trials"]
    assert {play.stopper.bracket_of(trial) for trial in range(9, 100)} == {0, 1, 2, 3}


def test_brackets_before_the_first_rung_get_no_new_trials() -> None:
    play = Play("hyperband", trials=100)
    for score in range(9):
        play.train(play.begin(), -score, score)
    assert play.reasons[0].startswith("grace 3: epoch 1 does not predict epoch 9, Spearman -1.00; epoch 3 predicts")
    counts = Counter(play.stopper.bracket_of(trial) for trial in range(9, 9 + 17 * 4))
    assert set(counts) == {1, 2, 3}
    assert all(abs(counts[bracket] - 4 * size) <= 2 for bracket, size in ((1, 9), (2, 5), (3, 3))), counts


def test_direction_min_is_turned_at_the_door() -> None:
    objective = Objective("loss", "min")
    hyperband = Hyperband(27, objective, grace=1)
    trials = in_bracket(hyperband, 0, 3)
    for trial, loss in zip(trials, [0.3, 0.1, 0.2], strict=True):
        hyperband.reported(trial, 1, objective.score({"loss": loss}))
        hyperband.paused(trial)
    assert [p.trial for p in hyperband.promotable()] == [trials[1]]
