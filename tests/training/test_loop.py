"""Loops of the user's own: `train(configuration, ctx)`."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.study import Study
from orchestrator.training.checkpoint import export_best
from orchestrator.training.link import Completed, Diverged, Released
from tests.training.support import FakeLink, assignment, loop_study, resume, train


def simple(*scores: float, save: bool = True) -> Study:
    """Reports these scores and saves the last one."""

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        saved = ctx.restore()
        if saved is not None:
            assert saved == {"score": scores[saved["epoch"] - 1], "epoch": saved["epoch"]}
        for epoch in ctx.epochs:
            if save:
                ctx.save(score=scores[epoch - 1], epoch=epoch)
            ctx.report({"val_loss": scores[epoch - 1]})

    return loop_study(loop)


def test_going_on_in_the_same_loop() -> None:
    done = train(simple(4, 3, 2, 1), assignment(1), None, FakeLink([assignment(3, after_epoch=1), "pause"]))
    assert done.ending == Released()
    assert done.link.told == [1, "asked", 2, 3, "asked", "saved 3, best 3"]


def test_values_come_back() -> None:
    first = train(simple(4, 3, 2, 1), assignment(2), None, FakeLink(["pause"]))
    second = resume(simple(4, 3, 2, 1), first, 4)
    assert second.ending == Completed("reached epoch 4")
    assert second.link.told == [3, 4, "saved 4, best 4"]
    assert export_best(simple(1), {}, 7, second.link.last_content) is None


def test_without_save_a_pause_only_lets_go() -> None:
    done = train(simple(4, 3, save=False), assignment(2), None, FakeLink(["pause"]))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "asked"])


@pytest.mark.parametrize(("keep_above", "saved"), [(None, ["saved 2, best 1"]), (-3.0, [])])
def test_stop(keep_above: float | None, saved: list[str]) -> None:
    done = train(simple(4, 5), assignment(2, keep_above=keep_above), None, FakeLink(["stop"]))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "asked", *saved])


def test_checkpoints_now_and_then() -> None:
    assert train(simple(2, 1), assignment(2, max_epochs=2), None, every=0.0).link.told == [
        *[1, "saved 1, best 1", 2, "saved 2, best 2"]
    ]


def test_a_function_that_ends_by_itself() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.report({"val_loss": 1.0})
            ctx.save(epoch=epoch)
            if epoch == 2:
                return

    done = train(loop_study(loop), assignment(2), None)
    assert done.ending == Completed("training ended by itself after epoch 2 of 4")
    assert done.link.told == [1, 2, "saved 2, best 1"]


def test_a_function_that_leaves_an_epoch_without_a_report() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            if epoch == 2:
                break
            ctx.report({"val_loss": 1.0})

    assert train(loop_study(loop), assignment(4), None).ending == Completed(
        "training ended by itself after epoch 1 of 4"
    )


@pytest.mark.parametrize("leave", ["break", "next epoch", "report nevertheless"])
def test_a_stop_within_a_long_epoch(leave: str) -> None:
    """What is reported of the partial epoch is not passed on, what is saved in it is not written."""

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.save(epoch=epoch)
            if ctx.should_stop and leave == "break":
                break
            if not ctx.should_stop or leave == "report nevertheless":
                ctx.report({"val_loss": 1.0})

    done = train(loop_study(loop), assignment(4), None, FakeLink(stop_at=4))
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])


def test_a_stop_before_the_first_epoch() -> None:
    """While it still prepares itself."""

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        assert ctx.should_stop

    done = train(loop_study(loop), assignment(4), None, FakeLink(stop_at=1))
    assert (done.ending, done.link.told) == (Released(), [])


def test_what_was_written_is_not_written_again() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.report({"val_loss": 1})
            if epoch == 1:
                ctx.save(epoch=epoch)

    done = train(loop_study(loop), assignment(3), None, FakeLink(["pause"]), every=0.0)
    assert done.link.told == [1, "saved 1, best 1", 2, 3, "asked"]


def test_a_stop_is_seen_between_epochs() -> None:
    done = train(simple(3, 2, 1), assignment(3), None, FakeLink(stop_at=2))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "saved 2, best 2"])


def test_a_score_that_is_no_number() -> None:
    done = train(simple(1, math.nan, 3), assignment(3), None)
    assert done.ending == Diverged(2, "val_loss became nan in epoch 2")
    assert done.link.told == [1]


def test_only_saved_epochs_can_be_the_best() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.report({"val_loss": [3, 1, 2, 4][epoch - 1]})
            if epoch % 2:
                ctx.save(epoch=epoch)

    assert train(loop_study(loop), assignment(4), None).link.told[-1] == "saved 3, best 3"


def numbers_of_all_kinds() -> Iterator[Any]:
    yield from (1, 1.0, True, np.float32(1), np.array(1), tf.constant(1.0), tf.Variable(1.0), keras.Variable(1.0))
    yield tf.constant(1.0, tf.bfloat16)


@pytest.mark.parametrize("number", [*range(9)])
def test_numbers(number: int) -> None:
    value = list(numbers_of_all_kinds())[number]

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            ctx.report({"val_loss": value})

    assert train(loop_study(loop), assignment(1, max_epochs=1), None).link.curve == {1: {"val_loss": 1.0}}


def test_the_seed_is_the_trials() -> None:
    seen = []

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        seen.append(ctx.seed)

    train(loop_study(loop), assignment(1, seed=2**40 + 5), None)
    assert seen == [5]


def test_after_a_score_that_is_no_number_nothing_is_reported() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            ctx.report({"val_loss": math.inf})
            ctx.report({"val_loss": 1.0})

    done = train(loop_study(loop), assignment(3), None)
    assert (done.ending, done.link.told) == (Diverged(1, "val_loss became inf in epoch 1"), [])
