"""Rungs, and how far trials have come on them."""

import pytest

from orchestrator.stoppers.rungs import Ladder, rungs_of


@pytest.mark.parametrize(
    ("grace", "eta", "max_epochs", "expected"),
    [
        (1, 3, 243, [1, 3, 9, 27, 81]),  # and 243, where a trial completes: six in all
        (1, 3, 27, [1, 3, 9]),
        (1, 3, 28, [1, 3, 9, 27]),
        (2, 4, 100, [2, 8, 32]),
        (1, 2, 1024, [2**k for k in range(10)]),
        (1, 10, 10**15, [10**k for k in range(15)]),
        (3, 3, 3, []),
        (5, 3, 3, []),
        (1, 3, 1, []),
    ],
)
def test_rungs_are_integers(grace: int, eta: int, max_epochs: int, expected: list[int]) -> None:
    assert rungs_of(grace, eta, max_epochs) == expected


def test_a_trial_counts_at_every_rung_and_is_judged_from_its_first_one_on() -> None:
    ladder = Ladder([1, 3, 9])
    for epoch in (1, 2, 3):
        ladder.reported(0, epoch, epoch / 10, first=3)
        assert (0 in ladder.arrived) is (epoch == 3)
    assert [rung.entry_of.get(0) for rung in ladder.rungs] == [(-0.1, 0, 0), (-0.3, 0, 0), None]
    assert ladder.at(0) is ladder.rungs[1]


@pytest.mark.parametrize("what", [Ladder.paused, Ladder.resumed, Ladder.ended, Ladder.diverged, Ladder.withdrawn])
def test_what_is_decided_needs_no_other_verdict(what: object) -> None:
    ladder = Ladder([1, 3, 9])
    ladder.reported(0, 1, 0.5)
    assert ladder.arrived == {0}
    what(ladder, 0)  # type: ignore[operator]
    assert ladder.arrived == set()


def test_words_of_a_trial_that_has_reached_no_rung() -> None:
    ladder = Ladder([3])
    for what in (ladder.paused, ladder.resumed, ladder.withdrawn, ladder.ended):
        what(0)
    assert ladder.at(0) is None and not ladder.rungs[0].entries and not ladder.level


def test_who_waits_within_the_top() -> None:
    ladder = Ladder([1])
    for trial, score in enumerate([0.1, 0.4, 0.3, 0.2]):
        ladder.reported(trial, 1, score)
    for trial in (0, 2, 3):
        ladder.paused(trial)
    rung = ladder.rungs[0]
    assert [list(rung.waiting_within(top)) for top in range(6)] == [[], [], [2], [2, 3], [2, 3, 0], [2, 3, 0]]
    assert rung.place(2) == "epoch 1, rank 2 of 4"
