"""Several stoppers on the same trials."""

import pytest

from orchestrator.stoppers import make_stopper
from tests.stoppers.play import MAX, Play


def test_the_earliest_horizon_counts() -> None:
    play = Play("asha:grace=3+patience:4")
    trial = play.begin()
    assert play.to_epoch[trial] == 3
    play.arrive(0.1, 0.1)
    assert play.train(trial, 0.9) == "pause"
    assert play.promote() == trial and play.to_epoch[trial] == 5, "patience asks before epoch 9"
    assert play.train(trial, 0.95) == "go on" and play.to_epoch[trial] == 8
    assert play.train(trial, 0.9) == "stop"


def test_the_strictest_verdict_counts_and_its_reason_names_it() -> None:
    asha = make_stopper("asha:grace=3+patience:1", 27, MAX)
    for epoch, score in ((1, 0.5), (2, 0.6)):
        asha.reported(0, epoch, score)
    verdict = asha.judge(0, 2)
    assert verdict.action == "go on" and verdict.reason == "asha: epoch 2 is no rung: trains to epoch 3"
    asha.reported(0, 3, 0.7)
    verdict = asha.judge(0, 3)
    assert verdict.action == "pause" and verdict.reason == "asha: epoch 3, rank 1 of 1; the top 0 go on"
    asha.paused(0)
    asha.resumed(0)
    asha.reported(0, 4, 0.7)
    verdict = asha.judge(0, 4)
    reason = "patience: no improvement for 1 epochs, 1 allowed: best 0.7 at epoch 3"
    assert verdict.action == "stop" and verdict.reason == reason


def test_stop_comes_before_pause() -> None:
    for text in ("asha:grace=3+patience:1", "patience:1+asha:grace=3"):
        play = Play(text)
        trial = play.begin()
        assert play.train(trial, 0.5) == "stop"
        play = Play(text)
        trial = play.begin()
        assert [play.report(trial, epoch, epoch / 10) for epoch in (1, 2, 3)] == [None, "go on", "pause"]


@pytest.mark.parametrize("pausing", ["asha:grace=3", "halving:grace=3,cohort=3", "hyperband:grace=3"])
def test_one_pauses_and_says_who_goes_on(pausing: str) -> None:
    play = Play(f"none+median+{pausing}")
    while len(play.promotable()) == 0:
        trial = play.begin()
        while trial in play.to_epoch:
            play.train(trial, 0.5)
    assert play.promotable()[0] in play.paused
    assert "paused at epoch 3" in play.stopper.standing(play.promotable()[0])
    assert set(play.finalists()) == play.paused
    trial = play.promote()
    assert play.to_epoch == {trial: 4}, "the median judges at each epoch"


def test_without_one_that_pauses_nobody_waits() -> None:
    play = Play("median+patience:5")
    play.arrive(0.5, 0.5)
    assert play.promotable() == [] and play.finalists() == [] and play.stopper.standing(0) == "paused"


def test_an_adaptation_is_that_of_one_of_them() -> None:
    play = Play("median:grace=9+asha", trials=100)
    play.arrive(*range(9))
    assert play.reasons == ["asha: grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 9 trials"]
    assert ("adapted", ({"asha": {"grace": 1}},)) in play.log
    assert play.stopper.horizon(9, 0) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("asha+halving", "asha and halving both pause trials: use one of them"),
        ("hyperband+patience:5+asha", "hyperband and asha both pause trials: use one of them"),
        ("patience:5+patience:9", "patience stands there twice: leave one of them out"),
        ("asha+patiance:5", r"use one of .*; did you mean 'patience'\?"),
        ("asha+", r"use one of adaptive, asha, .*"),
        ("asha++patience", r"use one of adaptive, asha, .*"),
        ("asha:eta=1+patience:5", "eta is 1: use a whole number of at least 2"),
        ("asha+patience:5,eta=3", "patience has no option 'eta'.*"),
    ],
)
def test_what_cannot_be_put_together(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make_stopper(text, 27, MAX)


def test_a_plus_within_a_number_is_none_between_stoppers() -> None:
    patience = make_stopper("patience:5,min_delta=1e+3", 27, MAX)
    assert patience.min_delta == 1000
    assert set(make_stopper("asha:grace=3 + patience:5", 27, MAX).parts) == {"asha", "patience"}
