"""Stoppers by name, and the laws that hold for all of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.objective import Objective
from orchestrator.stoppers import STOPPERS, Stopper, make_stopper
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.composite import Composite
from orchestrator.stoppers.halving import Halving
from orchestrator.stoppers.hyperband import Hyperband
from orchestrator.stoppers.rungs import Ladder
from tests.scheduler.support import dump
from tests.stoppers.play import Play

MAX = Objective("val", "max")
TEXTS = [
    *STOPPERS,
    "adaptive:grace=2",
    "adaptive+patience:3",
    "asha:grace=1",
    "asha:grace=2,eta=2",
    "asha_stop:grace=3",
    "halving:grace=1,eta=2",
    "halving:cohort=4",
    "hyperband:grace=1,eta=2",
    "asha+patience:2",
    "halving:grace=1+median:least=2",
    "hyperband+patience:3",
    "asha_stop+median+patience:2",
]


def test_stoppers_by_name() -> None:
    kinds = {name: type(make_stopper(name, 9, MAX)).__name__ for name in STOPPERS}
    assert kinds == {
        "none": "Stopper",
        "adaptive": "Adaptive",
        "asha": "Asha",
        "asha_stop": "AshaStop",
        "halving": "Halving",
        "hyperband": "Hyperband",
        "median": "Median",
        "patience": "Patience",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("medain", r"use one of adaptive, asha, asha_stop, .*; did you mean 'median'\?"),
        ("", "use one of adaptive, asha, asha_stop, "),
        ("asha:eta=1", "eta is 1: use a whole number of at least 2"),
        ("asha:eta=2.5", "eta is 2.5: use a whole number of at least 2"),
        ("asha_stop:grace=0", "grace is 0: use auto, or a whole number of at least 1"),
        ("hyperband:grace=soon", "grace is soon: use auto, or a whole number of at least 1"),
        ("halving:cohort=0", "cohort is 0: use a whole number of at least 1"),
        ("median:least=0", "least is 0: use a whole number of at least 1"),
        ("median:grace=auto", "grace is auto: use a whole number of at least 1"),
        ("patience:0", "epochs is 0: use a whole number of at least 1"),
        ("patience:5,min_delta=-1", "min_delta is -1: use a number of at least 0, in the metric's units"),
        ("patience:5,min_delta=nan", "min_delta is nan: use a number of at least 0, in the metric's units"),
        ("patience:5,min_delta=much", "min_delta is much: use a number of at least 0, in the metric's units"),
        ("none:1", "none takes no options: leave ':1' out"),
    ],
)
def test_what_names_no_stopper(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        make_stopper(text, 9, MAX)


def test_none_trains_every_trial_to_the_end() -> None:
    stopper = make_stopper("none", 9, MAX)
    assert [stopper.horizon(0, epoch) for epoch in (0, 1, 8)] == [9, 9, 9]
    assert stopper.judge(0, 1).action == "go on" and stopper.judge(0, 1).reason
    assert list(stopper.promotable()) == [] and list(stopper.finalists()) == []


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("trials", [None, 1, 40])
@pytest.mark.parametrize("max_epochs", [1, 2, 3, 10, 27, 100])
def test_from_horizon_to_horizon_a_trial_reaches_max_epochs(text: str, trials: int | None, max_epochs: int) -> None:
    stopper = make_stopper(text, max_epochs, MAX, trials)
    for trial in range(5):
        epoch = stopper.horizon(trial, 0)
        assert 0 < epoch <= max_epochs
        stopper.begun(trial)
        while epoch < max_epochs:
            assert epoch < stopper.horizon(trial, epoch) <= max_epochs
            epoch = stopper.horizon(trial, epoch)


scores = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0])
actions = ["begin", "begin", "train", "train", "train", "promote", "promote", "jump", "lose", "diverge", "fail", "end"]
steps = st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 99), scores), max_size=120)


def step(play: Play, action: str, choice: int, score: float) -> None:
    """One thing that may happen in a run; nothing, where it cannot."""
    training = sorted(play.to_epoch)
    trial = training[choice % len(training)] if training else None
    if action == "begin":
        play.begin()
    elif action == "promote":
        play.promote()
    elif trial is None:
        return
    elif action == "train":
        play.train(trial, score, score / 2, score)
    elif action == "jump":
        ends = play.to_epoch[trial] == play.max_epochs
        play.report(trial, min(play.epoch[trial] + 1 + choice % 9, play.max_epochs - (not ends)), score)
    elif action == "lose":
        play.lose(trial, choice % (play.epoch[trial] + 1))
    elif action == "end":
        play.end(trial, "ended", "completed")
    else:
        getattr(play, action)(trial)


def check(play: Play) -> None:
    """Its indexes, derived anew from what happened."""
    stopper = play.stopper
    assert set(play.promotable()) <= play.paused
    assert set(play.finalists()) == play.paused, "each may be the last resort"
    parts = list(stopper.parts.values()) if isinstance(stopper, Composite) else [stopper]
    for part in parts:
        for ladder in ladders(part):
            check_ladder(ladder, play)
        if isinstance(part, Halving):
            open_rungs = [(cohort.open_rung(), cohort.number) for cohort in part.cohorts]
            assert list(part.open) == sorted((-rung.epoch, number) for rung, number in open_rungs if rung)
            coming = [trial for cohort in part.cohorts for trials in cohort.on_the_way for trial in trials]
            assert len(coming) == len(set(coming)) and set(coming) <= set(play.to_epoch)


def ladders(stopper: Stopper) -> list[Ladder]:
    if isinstance(stopper, Halving):
        return [cohort.ladder for cohort in stopper.cohorts]
    if isinstance(stopper, Hyperband):
        return [bracket.ladder for bracket in stopper.brackets]
    return [stopper.ladder] if isinstance(stopper, Asha) else []


def check_ladder(ladder: Ladder, play: Play) -> None:
    assert set(ladder.level) <= set(play.to_epoch) | play.paused
    for level, rung in enumerate(ladder.rungs, start=1):
        assert list(rung.waiting) == [
            entry for entry in rung.entries if entry[2] in play.paused and ladder.level[entry[2]] == level
        ]
        assert {entry[2] for entry in rung.entries} == {
            trial for trial in rung.entry_of if play.over.get(trial) != "failed"
        }


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=25, deadline=None)
@given(taken=steps, trials=st.sampled_from([None, 10]), max_epochs=st.sampled_from([1, 3, 10, 27]))
def test_laws(text: str, taken: list[tuple[str, int, float]], trials: int | None, max_epochs: int) -> None:
    play = Play(text, max_epochs, trials)
    for action, choice, score in taken:
        step(play, action, choice, score)
        check(play)
    assert dump(play.folded()) == dump(play.stopper), "a fold of what it was told is the same stopper"
    before = dump(play.stopper)
    for trial in play.epoch:
        play.stopper.horizon(trial, play.epoch[trial])
        if trial not in play.over:
            play.stopper.standing(trial)
        if play.epoch[trial] and trial not in play.over:
            play.stopper.judge(trial, play.epoch[trial])
    play.promotable(), play.finalists(), play.stopper.adaptation()
    assert dump(play.stopper) == before, "questions change nothing"


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=15, deadline=None)
@given(taken=steps, max_epochs=st.sampled_from([1, 3, 10, 27]))
def test_once_closed_every_trial_comes_to_its_end(
    text: str, taken: list[tuple[str, int, float]], max_epochs: int
) -> None:
    """What trains is trained, what may go on goes on, and at last the finalists, until a trial has completed."""
    play = Play(text, max_epochs)
    for action, choice, score in taken:
        step(play, action, choice, score)
    play.tell("closed")
    while "completed" not in play.over.values() and (play.to_epoch or play.paused):
        if not play.to_epoch and play.promote() is None:
            assert play.finish_one() is not None
        for trial in sorted(play.to_epoch):
            play.train(trial, 0.1 * trial)
    while play.to_epoch or play.promote() is not None:
        for trial in sorted(play.to_epoch):
            play.train(trial, 0.1 * trial)
    assert set(play.over) | play.paused == set(play.epoch)
    assert all(play.stopper.standing(trial).strip() for trial in play.paused)
