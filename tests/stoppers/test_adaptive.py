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

    def __init__(self, max_epochs: int = 16, workers: int = 1, probes: int = 4, **options: int) -> None:
        super().__init__(max_epochs, MAX, **options)
        self.staffed(workers)
        self.probes_left = probes

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
    ("scores", "options", "promoted"),
    [
        pytest.param([0.5], {"probes": 0}, [], id="half of one is none"),
        pytest.param([0.5, 0.6], {"probes": 0}, [1], id="half, where nothing is learned"),
        pytest.param([0.5, 0.5], {"probes": 0}, [0], id="the earlier arrival wins a tie"),
        pytest.param([0.1, 0.4, 0.3, 0.2, 0.0], {"probes": 0}, [1, 2], id="rounded down"),
        pytest.param([0.5], {}, [0], id="a probe goes on at once"),
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.5], {}, [4, 3, 2, 1], id="four of them, the best first"),
        pytest.param([0.1, 0.2, 0.3], {"probes": 0, "workers": 4}, [], id="four workers: nothing before four came"),
        pytest.param([0.1, 0.2, 0.3], {"workers": 4}, [2, 1, 0], id="but probes"),
        pytest.param([0.1, 0.2, 0.3, 0.4], {"probes": 0, "workers": 4}, [3, 2], id="then half"),
        pytest.param([0.1] * 8, {"probes": 0, "workers": 8}, [0, 1], id="many workers: a third of eight"),
        pytest.param([0.1] * 7, {"probes": 0, "workers": 8}, [], id="many workers: nothing before eight came"),
    ],
)
def test_who_goes_on_from_the_first_rung(scores: list[float], options: dict[str, int], promoted: list[int]) -> None:
    assert after(*scores, **options).all() == promoted


def test_once_no_trial_will_begin_nobody_is_waited_for() -> None:
    stopper = after(0.1, 0.2, probes=0, workers=4)
    assert stopper.all() == []
    stopper.closed()
    assert stopper.all() == [1]


def test_once_no_trial_will_begin_the_best_of_every_rung_goes_on() -> None:
    stopper = after(0.1, 0.2, probes=1)
    stopper.on_to(1, 2, 0.5)
    assert stopper.all() == []
    stopper.closed()
    assert stopper.all() == [1], "the only one at epoch 2; of the two at epoch 1 the best has gone on"


def test_with_many_workers_the_best_of_a_higher_rung_goes_on_at_once() -> None:
    few, many = (after(*[0.1] * 8, probes=1, workers=workers) for workers in (7, 8))
    for stopper in (few, many):
        stopper.on_to(0, 2, 0.5)
    assert 0 in many.all() and 0 not in few.all()


def test_probes_are_counted_when_they_leave() -> None:
    stopper = after(0.1, 0.2, probes=1, workers=4)
    assert stopper.all() == [1]
    stopper.resumed(1)
    assert stopper.all() == [] and stopper.probes_left == 0
    stopper.resumed(1)
    assert stopper.probes_left == 0, "a lost probe that begins anew is the same one"


def test_a_trial_is_ranked_by_score_and_slope() -> None:
    stopper = after(0.5, 0.1, probes=2)
    stopper.on_to(0, 2, 0.6)
    stopper.on_to(1, 2, 0.5)
    marks = [-entry[0] for entry in stopper.ladder.rungs[1].entries]
    assert marks == pytest.approx([0.5 + 0.35 * 0.4, 0.6 + 0.35 * 0.1])


def test_a_jump_has_no_slope() -> None:
    stopper = Scripted()
    stopper.reported(0, 4, 0.5)
    assert [[-entry[0] for entry in rung.entries] for rung in stopper.ladder.rungs] == [[0.5], [0.5], [0.5], [], []]


def learned_from(ranks_below: list[int], count: int = 12) -> Scripted:
    """`count` trials at epoch 1, trial n at rank n + 1; those of the given ranks went on, the best above first."""
    stopper = after(*[-float(trial) for trial in range(count)], probes=count)
    for place, rank in enumerate(ranks_below):
        stopper.on_to(rank - 1, 2, 100.0 - 10 * place)
    stopper.probes_left = 0
    return stopper


@pytest.mark.parametrize(
    ("ranks", "top"),
    [
        pytest.param([1, 2, 3], 6, id="three above are too few: half"),
        pytest.param([1, 2, 3, 4], 4, id="the best above was the best here: a third, which is the least"),
        pytest.param([4, 1, 2, 3], 6, id="it was the fourth: 1.5 * 4"),
        pytest.param([7, 1, 2, 3], 10, id="the seventh: 10.5, rounded down"),
        pytest.param([12, 1, 2, 3], 12, id="the last: everybody"),
        pytest.param([1, 12, 3, 4, 5, 6, 7], 4, id="of seven above, one is looked at"),
        pytest.param([1, 12, 3, 4, 5, 6, 7, 8], 12, id="of eight, two"),
    ],
)
def test_what_a_rung_learns_from_the_one_above(ranks: list[int], top: int) -> None:
    stopper = learned_from(ranks)
    waiting = [trial for trial in range(top) if trial + 1 not in ranks]
    assert [trial for trial in stopper.all() if trial + 1 not in ranks] == waiting


def test_the_reason_tells_what_was_learned() -> None:
    (promotion, *_) = [p for p in learned_from([4, 1, 2, 3]).promotable() if p.trial == 4]
    assert promotion.reason == (
        "promoted: epoch 1, rank 5 of 12, within the top 6: the best of 4 at epoch 2 stood at rank 4 or better here"
    )
    assert next(after(0.5).promotable()).reason == "promoted: epoch 1, rank 1 of 1, a probe"


def test_the_end_is_the_rung_above_the_last_one() -> None:
    stopper = after(0.1, 0.2, 0.3, 0.4, 0.5, max_epochs=2, probes=4)
    for trial in (1, 2, 3, 4):
        stopper.on_to(trial, 2, 1.0 - trial / 10)
        stopper.ended(trial)
    assert stopper.all() == [0], "the best at the end was the last but one here"


def test_a_diverged_trial_takes_a_place_and_never_goes_on() -> None:
    stopper = after(0.5, 0.6, probes=0)
    stopper.diverged(2)
    assert [entry[0] for entry in stopper.ladder.rungs[0].entries] == [-0.6, -0.5, inf]
    stopper.diverged(3)
    assert stopper.all() == [1, 0], "half of four"


def test_a_failed_trial_counts_nowhere_any_more() -> None:
    stopper = learned_from([12, 1, 2, 3])
    assert stopper.all() == [11, 0, *range(3, 11)]
    stopper.withdrawn(11)
    assert stopper.all() == [0, 3, 4], "three are left above: half of them, and half of the eleven below"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.floats(-1, 1)), max_size=60),
    st.integers(1, 12),
)
def test_a_share_is_what_it_would_be_if_it_were_learned_anew(steps: list[tuple[int, float]], workers: int) -> None:
    """Trials go on, diverge and fail in any order."""
    stopper = Scripted(max_epochs=9, workers=workers)
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
