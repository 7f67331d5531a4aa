"""The learned cut, rule by rule: who goes on from a rung, and what a rung learns from the one above."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.objective import Objective
from orchestrator.stoppers.adaptive import Adaptive

MAX = Objective("val", "max")


class Scripted(Adaptive):
    """Told of whole steps, as the scheduler tells it: 16 epochs, so rungs 1, 2, 4, 8."""

    def __init__(self, max_epochs: int = 16, compared: int = 0, **options: int) -> None:
        super().__init__(max_epochs, MAX, **options)
        self.compared = compared

    def arrive(self, trial: int, score: float, epoch: int = 1) -> None:
        self.reported(trial, epoch, score)
        if epoch < self.max_epochs:
            assert self.judge(trial, epoch).action == "pause"
            self.paused(trial)

    def on_to(self, trial: int, epoch: int, score: float) -> None:
        """A paused trial goes on, and arrives at the next rung."""
        self.resumed(trial)
        self.arrive(trial, score, epoch)

    def all(self) -> list[int]:
        return [promotion.trial for promotion in self.promotable()]


def after(*scores: float, **options: int) -> Scripted:
    stopper = Scripted(**options)
    for trial, score in enumerate(scores):
        stopper.arrive(trial, score)
    return stopper


def test_rungs_double() -> None:
    stopper = Scripted(max_epochs=27)
    assert {epoch: stopper.horizon(0, epoch) for epoch in (0, 1, 2, 7, 16, 26)} == {
        0: 1,
        1: 2,
        2: 4,
        7: 8,
        16: 27,
        26: 27,
    }
    assert Scripted(max_epochs=27, grace=5).horizon(0, 0) == 5
    assert Scripted(max_epochs=1).horizon(0, 0) == 1


@pytest.mark.parametrize(
    ("scores", "promoted"),
    [
        pytest.param([0.5], [0], id="the best may always go on"),
        pytest.param([0.5, 0.6], [1], id="also of two"),
        pytest.param([0.5, 0.5], [0], id="the earlier arrival wins a tie"),
        pytest.param([0.1, 0.4, 0.3, 0.2, 0.0], [1], id="a third, rounded down"),
        pytest.param([0.1, 0.4, 0.3, 0.2, 0.0, 0.5], [5, 1], id="a third"),
    ],
)
def test_who_goes_on_where_nothing_is_learned(scores: list[float], promoted: list[int]) -> None:
    assert after(*scores).all() == promoted


def test_twenty_are_compared_before_one_leaves_the_first_rung() -> None:
    stopper = Scripted(compared=20)
    for trial in range(20):
        assert stopper.all() == []
        stopper.arrive(trial, -trial)
    assert stopper.all() == [0, 1, 2, 3, 4, 5]


def test_while_they_wait_they_are_told_for_what() -> None:
    stopper = after(0.1, compared=20)
    stopper.reported(1, 1, 0.2)
    assert stopper.judge(1, 1).reason == "epoch 1, rank 1 of 2; none goes on before 20 have come"


def test_what_diverged_has_arrived_too() -> None:
    stopper = after(*[0.1] * 19, compared=20)
    assert stopper.all() == []
    stopper.diverged(19)
    assert stopper.all() == [0, 1, 2, 3, 4, 5]


def test_once_no_trial_will_begin_nobody_is_waited_for() -> None:
    stopper = after(0.1, 0.2, 0.3, compared=20)
    assert stopper.all() == []
    stopper.closed()
    assert stopper.all() == [2]


def test_the_best_of_a_higher_rung_goes_on_though_the_first_one_waits() -> None:
    stopper = after(0.1, 0.2)
    stopper.on_to(1, 2, 0.5)
    stopper.compared = 20
    assert stopper.all() == [1]


def test_a_trial_is_ranked_by_score_and_slope() -> None:
    stopper = after(0.5, 0.1)
    stopper.on_to(0, 2, 0.6)
    stopper.on_to(1, 2, 0.5)
    marks = [-entry[0] for entry in stopper.ladder.rungs[1].entries]
    assert marks == pytest.approx([0.5 + 0.35 * 0.4, 0.6 + 0.35 * 0.1])


def test_a_jump_has_no_slope() -> None:
    stopper = Scripted()
    stopper.reported(0, 4, 0.5)
    assert [[-entry[0] for entry in rung.entries] for rung in stopper.ladder.rungs] == [[0.5], [0.5], [0.5], [], []]


def learned_from(ranks_below: list[int], count: int = 40) -> Scripted:
    """`count` trials at epoch 1, trial n at rank n + 1; those of the given ranks went on, the best above first."""
    stopper = after(*[-float(trial) for trial in range(count)])
    for place, rank in enumerate(ranks_below):
        stopper.on_to(rank - 1, 2, 1000.0 - 10 * place)
    return stopper


def first_ranks(*best: int, others: int) -> list[int]:
    return [*best, *(rank for rank in range(1, others + 1) if rank not in best)]


@pytest.mark.parametrize(
    ("ranks", "top"),
    [
        pytest.param(first_ranks(20, others=8), 13, id="nine above are too few: a third"),
        pytest.param(first_ranks(1, 2, others=10), 13, id="the best above were the best here: a third, the least"),
        pytest.param(first_ranks(12, 3, others=9), 18, id="the deeper of two was the twelfth: 1.5 * 12"),
        pytest.param(first_ranks(3, 15, others=9), 22, id="or the fifteenth: 22.5, rounded down"),
        pytest.param(first_ranks(3, 4, 40, others=8), 13, id="a third one does not count among eleven"),
        pytest.param(first_ranks(40, 1, others=9), 40, id="it was the last: everybody"),
    ],
)
def test_what_a_rung_learns_from_the_one_above(ranks: list[int], top: int) -> None:
    waiting = [trial for trial in range(top) if trial + 1 not in ranks]
    assert [p.trial for p in learned_from(ranks).promotable() if p.to_epoch == 2] == waiting


def test_the_reason_tells_what_was_learned() -> None:
    promotion = next(p for p in learned_from(first_ranks(12, 3, others=9)).promotable() if p.trial == 14)
    assert promotion.reason == (
        "promoted: epoch 1, rank 15 of 40, within the top 18: "
        "the best 2 of 10 at epoch 2 stood at rank 12 or better here"
    )
    assert next(after(0.5).promotable()).reason == (
        "promoted: epoch 1, rank 1 of 1, within the top 1: nothing is learned here yet"
    )


def test_the_end_is_the_rung_above_the_last_one() -> None:
    stopper = after(*[-float(trial) for trial in range(20)], max_epochs=2)
    for place, trial in enumerate([9, *range(9)]):
        stopper.on_to(trial, 2, 10.0 - place)
        stopper.ended(trial)
    assert stopper.all() == [10, 11, 12, 13, 14], "the best at the end was the tenth here"


def test_a_diverged_trial_takes_a_place_and_never_goes_on() -> None:
    stopper = after(0.5, 0.6)
    for trial in range(2, 6):
        stopper.diverged(trial)
    assert [entry[0] for entry in stopper.ladder.rungs[0].entries] == [-0.6, -0.5, inf, inf, inf, inf]
    assert stopper.all() == [1, 0], "a third of six"


def test_a_failed_trial_counts_nowhere_any_more() -> None:
    stopper = learned_from(first_ranks(40, 1, others=9))
    assert len([p for p in stopper.promotable() if p.to_epoch == 2]) == 30
    stopper.withdrawn(39)
    assert [p.trial for p in stopper.promotable() if p.to_epoch == 2] == [9, 10, 11, 12], "nine are left above"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.floats(-1, 1)), max_size=120))
def test_a_share_is_what_it_would_be_if_it_were_learned_anew(steps: list[tuple[int, float]]) -> None:
    """Trials go on, diverge and fail in any order."""
    stopper = Scripted(max_epochs=9, compared=3)
    born = 0
    for kind, score in steps:
        ready = [(p.trial, p.to_epoch) for p in stopper.promotable()]
        if kind < 4 or not ready:
            stopper.arrive(born, score)
            born += 1
        elif kind == 8:
            stopper.withdrawn(ready[0][0])
        else:
            trial, epoch = ready[0]
            stopper.resumed(trial)
            if kind == 7:
                stopper.diverged(trial)
            else:
                stopper.arrive(trial, score, epoch)
                if epoch == 9:
                    stopper.ended(trial)
        known = dict(stopper.learned)
        stopper._learn(0, len(stopper.ladder.rungs))
        assert stopper.learned == known
