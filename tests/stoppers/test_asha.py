"""ASHA's rules, one by one: no two tuners answer the same questions alike, so each answer is spelled out."""

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.objective import Objective
from orchestrator.stoppers.asha import Asha
from tests.scheduler.support import dump

MAX = Objective("val", "max")


class Scripted(Asha):
    """ASHA with epochs 27 that is told of whole steps, as the scheduler tells it."""

    def __init__(self, max_epochs: int = 27, grace: int = 1, **settings: int) -> None:
        super().__init__(max_epochs, MAX, grace=grace, **settings)

    def arrive(self, trial: int, score: float, epoch: int = 1) -> None:
        """A trial reports at the end of its assignment, and pauses there."""
        self.reported(trial, epoch, score)
        assert self.judge(trial, epoch).action == "pause"
        self.paused(trial)

    def next(self) -> int | None:
        return next((promotion.trial for promotion in self.promotable()), None)

    def promote(self) -> int | None:
        """The trial that a free worker takes."""
        if (trial := self.next()) is not None:
            self.resumed(trial)
        return trial


def after(arrivals: list[float], **settings: int) -> Scripted:
    asha = Scripted(**settings)
    for trial, score in enumerate(arrivals):
        asha.arrive(trial, score)
    return asha


@pytest.mark.parametrize(
    ("max_epochs", "horizons"),
    [(27, {0: 1, 1: 3, 2: 3, 3: 9, 8: 9, 9: 27, 26: 27}), (10, {0: 1, 3: 9, 9: 10}), (1, {0: 1})],
)
def test_a_trial_trains_to_the_next_rung(max_epochs: int, horizons: dict[int, int]) -> None:
    asha = Scripted(max_epochs)
    assert {epoch: asha.horizon(0, epoch) for epoch in horizons} == horizons


@pytest.mark.parametrize(
    ("arrivals", "promoted"),
    [
        pytest.param([0.9], [], id="the first to arrive waits"),
        pytest.param([0.9, 0.1], [], id="so does the best of two"),
        pytest.param([0.9, 0.1, 0.2], [0], id="the best of three goes on"),
        pytest.param([0.1, 0.2, 0.9], [2], id="it may be the one that just came: its own value counts"),
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.5], [4], id="floor(5 / 3) is one"),
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [5, 4], id="two of six, the best first"),
        pytest.param([0.5, 0.5, 0.5], [0], id="the earlier arrival wins ties"),
        pytest.param([0.1, 0.5, 0.5, 0.2, 0.5, 0.3], [1, 2], id="also among several"),
        pytest.param([-0.1, -0.2, -0.3], [0], id="scores may be negative"),
        pytest.param([0.0, -0.0, -0.0], [0], id="zero has no sign"),
    ],
)
def test_the_top_third_is_promoted(arrivals: list[float], promoted: list[int]) -> None:
    asha = after(arrivals)
    assert list(iter(asha.promote, None)) == promoted


def test_eta_sets_the_share() -> None:
    asha = after([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], eta=2)
    assert list(iter(asha.promote, None)) == [6, 5, 4]


def test_those_already_promoted_count_among_the_top() -> None:
    asha = after([0.9, 0.1, 0.2])
    assert asha.promote() == 0
    asha.arrive(3, 0.8)
    asha.arrive(4, 0.3)
    assert asha.promote() is None, "two of five: one place, which trial 0 has"
    asha.arrive(5, 0.0)
    assert asha.promote() == 3


def test_a_trial_pushed_out_of_the_top_waits_and_may_return() -> None:
    asha = after([0.5, 0.1, 0.2])
    assert asha.next() == 0
    asha.arrive(3, 0.6)
    assert asha.next() == 3
    asha.arrive(4, 0.1)
    asha.arrive(5, 0.1)
    assert list(iter(asha.promote, None)) == [3, 0]


def test_the_highest_rung_comes_first() -> None:
    asha = after([0.9, 0.8, 0.7, *[0.1] * 6])
    assert list(iter(asha.promote, None)) == [0, 1, 2]
    for trial, score in ((0, 0.2), (1, 0.3), (2, 0.4)):
        asha.arrive(trial, score, epoch=3)
    for trial in (9, 10, 11):
        asha.arrive(trial, 0.95)
    first, second = list(asha.promotable())[:2]
    assert (first.trial, first.to_epoch) == (2, 9)
    assert (second.trial, second.to_epoch) == (9, 3)
    assert first.reason == "promoted: epoch 3, rank 1 of 3, within the top 1"
    assert second.reason == "promoted: epoch 1, rank 1 of 12, within the top 4"


def test_the_last_promotion_is_to_max_epochs() -> None:
    asha = Scripted(max_epochs=10)
    for trial in range(3):
        asha.arrive(trial, trial / 10, epoch=9)
    assert [(p.trial, p.to_epoch) for p in asha.promotable()] == [(2, 10)]


@pytest.mark.parametrize("score", [nan, inf, -inf])
def test_a_value_that_is_no_finite_number_is_counted_when_the_trial_diverges(score: float) -> None:
    asha = after([0.1, 0.2])
    asha.reported(2, 1, score)
    assert asha.next() is None, "two of two so far"
    asha.diverged(2)
    assert asha.next() == 1, "the best of three, the diverged one last"
    assert asha.standing(1) == "paused at epoch 1, rank 1 of 3; the top 1 went on"


def test_a_diverged_trial_is_worst_once_at_the_next_rung_it_would_have_reached() -> None:
    asha = after([0.9, 0.1, 0.2])
    assert asha.promote() == 0
    asha.diverged(0)
    assert [len(rung.entries) for rung in asha.ladder.rungs] == [3, 1, 0], "its first value stands at the first rung"
    asha.arrive(3, 0.8)
    asha.arrive(4, 0.7)
    asha.arrive(5, 0.6)
    assert list(iter(asha.promote, None)) == [3], "trial 0 still has one of two places"
    asha.arrive(3, -5.0, epoch=3)
    asha.arrive(4, -6.0, epoch=3)
    assert asha.next() == 3, "any number is better than to diverge"


def test_diverged_trials_keep_their_order_of_arrival_and_are_never_promoted() -> None:
    asha = Scripted()
    for trial in range(9):
        asha.diverged(trial)
    assert asha.next() is None and list(asha.finalists()) == []
    asha.arrive(9, -1e300)
    assert asha.next() == 9


def test_diverging_on_the_way_to_max_epochs_counts_nowhere() -> None:
    asha = Scripted(max_epochs=3)
    for trial in range(3):
        asha.arrive(trial, trial / 10)
    assert asha.promote() == 2
    asha.diverged(2)
    assert [len(rung.entries) for rung in asha.ladder.rungs] == [3]


def test_a_failed_trial_counts_nowhere() -> None:
    asha = after([0.9, 0.8, 0.1, 0.2, 0.3, 0.4])
    assert asha.promote() == 0
    asha.withdrawn(0)
    assert asha.standing(1) == "paused at epoch 1, rank 1 of 5; the top 1 went on"
    assert asha.promote() == 1 and asha.promote() is None
    asha.withdrawn(2)
    asha.arrive(6, 0.5)
    assert asha.standing(6) == "paused at epoch 1, rank 2 of 5; the top 1 went on"


def test_a_report_that_jumps_over_rungs_counts_at_each_with_the_same_value() -> None:
    asha = after([0.1, 0.2])
    asha.arrive(2, 0.9, epoch=5)
    assert [[(-score, trial) for score, _, trial in rung.entries] for rung in asha.ladder.rungs] == [
        [(0.9, 2), (0.2, 1), (0.1, 0)],
        [(0.9, 2)],
        [],
    ]
    assert asha.next() is None, "it is past the first rung, and alone at the second"
    assert asha.standing(2) == "paused at epoch 3, rank 1 of 1; the top 0 went on"


def test_the_value_at_a_rung_is_that_epochs_and_not_the_best_so_far() -> None:
    asha = Scripted()
    for trial, values in enumerate([[0.9, 0.9, 0.1], [0.2, 0.2, 0.2], [0.1, 0.3, 0.3]]):
        for epoch, value in enumerate(values, start=1):
            asha.reported(trial, epoch, value)
    assert [trial for _, _, trial in asha.ladder.rungs[0].entries] == [0, 1, 2]
    assert [trial for _, _, trial in asha.ladder.rungs[1].entries] == [2, 1, 0]


def test_the_first_value_stands_when_another_attempt_trains_the_epoch_again() -> None:
    asha = after([0.5, 0.4, 0.3])
    assert asha.promote() == 0
    for epoch, score in ((1, 0.0), (2, 0.0)):
        asha.reported(0, epoch, score)
    assert asha.ladder.rungs[0].entry_of[0] == (-0.5, 0, 0) and len(asha.ladder.rungs[0].entries) == 3
    asha.arrive(0, 0.6, epoch=3)
    assert asha.ladder.rungs[1].entry_of[0] == (-0.6, 0, 0)


def test_finalists_are_the_paused_ones_of_the_highest_rung_first_and_the_best_first() -> None:
    asha = after([0.9, 0.1, 0.2, 0.8])
    assert asha.promote() == 0
    asha.arrive(0, 0.05, epoch=3)
    assert [(p.trial, p.to_epoch) for p in asha.finalists()] == [(0, 27), (3, 27), (2, 27), (1, 27)]
    assert next(asha.finalists()).reason == "nothing else is left: epoch 3, rank 1 of 1, the best at the highest rung"


def test_an_ended_trial_keeps_its_place_but_waits_no_more() -> None:
    asha = after([0.1, 0.9, 0.2])
    asha.ended(1)
    assert asha.next() is None and len(asha.ladder.rungs[0].entries) == 3
    assert [p.trial for p in asha.finalists()] == [2, 0]


def test_direction_min_is_turned_at_the_door() -> None:
    objective = Objective("loss", "min")
    asha = Asha(27, objective, grace=1)
    for trial, loss in enumerate([0.3, 0.1, 0.2]):
        asha.reported(trial, 1, objective.score({"loss": loss}))
        asha.paused(trial)
    assert [p.trial for p in asha.promotable()] == [1]


scores = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0])
steps = st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(["go on", "go on", "go on", "promote", "diverge", "fail"]), scores),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(2, 4))
def test_against_brute_force(taken: list[tuple[int, str, float]], eta: int) -> None:
    """The same history told to ASHA, and to lists that are sorted anew for each question."""
    asha = Scripted(max_epochs=eta**3, eta=eta)
    rungs: list[list[tuple[int, float]]] = [[], [], []]  # in order of arrival
    level: dict[int, int] = {}
    paused: set[int] = set()
    out: set[int] = set()

    def ranked(rung: list[tuple[int, float]]) -> list[int]:
        return [trial for trial, _ in sorted(rung, key=lambda entry: -entry[1])]

    def expected() -> list[int]:
        top = [ranked(rung)[: len(rung) // eta] for rung in reversed(rungs)]
        at = [2, 1, 0]
        return [t for k, trials in zip(at, top, strict=True) for t in trials if t in paused and level[t] == k + 1]

    for trial, action, score in taken:
        if action == "promote" and (trials := expected()):
            asha.resumed(trials[0])
            paused.discard(trials[0])
        elif action == "fail" and trial not in out:
            asha.withdrawn(trial)
            out.add(trial)
            paused.discard(trial)
            rungs = [[entry for entry in rung if entry[0] != trial] for rung in rungs]
        elif action == "diverge" and trial not in out and trial not in paused:
            asha.diverged(trial)
            out.add(trial)
            if (k := level.get(trial, 0)) < 3:
                rungs[k].append((trial, -inf))
        elif action == "go on" and trial not in out and trial not in paused and level.get(trial, 0) < 3:
            k = level.get(trial, 0)
            asha.arrive(trial, score, epoch=eta**k)
            rungs[k].append((trial, score))
            level[trial] = k + 1
            paused.add(trial)
        assert [p.trial for p in asha.promotable()] == expected()
    best_first = [t for k in (2, 1, 0) for t in ranked(rungs[k]) if t in paused and level[t] == k + 1]
    assert [p.trial for p in asha.finalists()] == best_first


def test_where_it_is_no_rung_the_trial_goes_on() -> None:
    """Another stopper may ask there: before the first rung, between two, and for a trial that was promoted."""
    asha = Scripted(grace=3)
    asha.reported(0, 2, 0.5)
    assert asha.judge(0, 2).action == "go on"
    assert asha.judge(0, 2).reason == "epoch 2 is no rung: trains to epoch 3"
    asha.arrive(0, 0.5, epoch=3)
    asha.resumed(0)
    for epoch in (4, 8):
        asha.reported(0, epoch, 0.5)
        assert asha.judge(0, epoch).reason == f"epoch {epoch} is no rung: trains to epoch 9"


def test_a_lost_attempt_is_not_judged_again_where_the_trial_was_judged() -> None:
    asha = after([0.5, 0.4, 0.3])
    assert asha.promote() == 0
    for epoch in (1, 2):
        asha.reported(0, epoch, 0.1)
        assert asha.judge(0, epoch).action == "go on"


@pytest.mark.parametrize(("grace", "max_epochs"), [(27, 27), (30, 27), (1, 1)])
def test_without_a_rung_a_trial_trains_to_the_end(grace: int, max_epochs: int) -> None:
    asha = Scripted(max_epochs, grace=grace)
    assert asha.horizon(0, 0) == max_epochs
    asha.reported(0, max_epochs, 0.5)
    asha.diverged(1)
    asha.withdrawn(0)
    assert asha.next() is None and list(asha.finalists()) == []


def test_a_single_trial_is_the_finalist_until_it_completes() -> None:
    asha = after([0.5])
    asha.closed()
    assert asha.next() is None
    finalist = next(asha.finalists())
    assert (finalist.trial, finalist.to_epoch) == (0, 27)
    asha.resumed(0)
    assert list(asha.finalists()) == []
    for epoch in range(2, 28):
        asha.reported(0, epoch, 0.5)
    asha.ended(0)
    assert [len(rung.entries) for rung in asha.ladder.rungs] == [1, 1, 1], "it counts at the rungs that it passed"


def test_questions_change_nothing() -> None:
    asha = after([0.9, 0.1, 0.2, 0.8, 0.7, 0.6])
    asha.resumed(0)
    asha.arrive(0, 0.5, epoch=3)
    asha.diverged(1)
    before = dump(asha)
    for _ in range(2):
        list(asha.promotable()), list(asha.finalists()), next(asha.promotable())
        asha.judge(0, 3), asha.standing(2), asha.horizon(0, 3)
    assert dump(asha) == before
