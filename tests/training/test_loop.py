"""Loops of the user's own: `train(configuration, ctx)`."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.study import Study
from orchestrator.training.checkpoint import export_best
from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Diverged, Released
from tests.training.support import FakeLink, assignment, built_layers, loop_study, numbers, resume, train


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers(rows=20)


def taped(configuration: dict[str, Any], ctx: Any) -> None:
    """What docs show: a gradient tape, dropout, momentum, noise and an order of its own."""
    (x, y), (x_val, y_val) = ctx.data.train, ctx.data.validation
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.2), keras.layers.Dense(3)]
    )
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(rows: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(rows, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    saved = ctx.restore(model=model, optimizer=optimizer)
    history = [] if saved is None else saved["history"].tolist()
    for _ in ctx.epochs:
        for rows in np.array_split(np.random.permutation(len(x)), 3):  # noqa: NPY002
            noise = 0.1 * keras.random.normal((len(rows), 4))
            history.append(float(step(x[rows] + noise, y[rows])))
        validated = loss_of(y_val, model(x_val))
        ctx.report({"val_loss": validated, "first": history[0], "steps": len(history)})
        ctx.save(model=model, optimizer=optimizer, history=np.array(history))


def test_resumed_is_unbroken(data: Data) -> None:
    whole = train(loop_study(taped), assignment(4), data)
    assert whole.ending == Completed("reached epoch 4")
    assert whole.link.told == [1, 2, 3, 4, "saved 4, best 4"]
    first = train(loop_study(taped), assignment(2), data, FakeLink(["pause"]))
    assert first.link.told == [1, 2, "asked", "saved 2, best 2"]
    second = resume(loop_study(taped), first, 4, data)
    assert list(second.link.curve) == [3, 4]
    assert second.link.curve[4]["first"] == first.link.curve[1]["first"]
    for epoch in (3, 4):
        assert second.link.curve[epoch] == pytest.approx(whole.link.curve[epoch], abs=1e-6)


def test_the_best_epochs_model_is_kept(data: Data, tmp_path: Path) -> None:
    """Scores get worse, so the best lies before the pause; it comes through two checkpoints."""
    study = loop_study(taped, direction="max")
    first = train(study, assignment(2), data, FakeLink(["pause"]))
    second = resume(study, first, 4, data)
    assert second.link.told[-1] == "saved 4, best 1"
    path = tmp_path / "best.keras"
    path.write_bytes(export_best(study, {}, 7, second.link.last_content) or b"")
    x, y = data.validation
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, keras.saving.load_model(path)(x))
    assert float(loss) == pytest.approx(first.link.curve[1]["val_loss"], rel=1e-5)


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


def test_two_models_and_their_optimizers_come_back() -> None:
    """Optimizers are built by the restore, each on its own model's variables, whatever the order they are given in."""

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        left, right = built_layers(), built_layers()
        optimizers = {"one": keras.optimizers.Adam(0.1), "two": keras.optimizers.Adam(0.1)}
        saved = ctx.restore(**optimizers, right=right, left=left)
        assert (saved is None) == (not resuming)
        for epoch in ctx.epochs:
            for model, optimizer in ((left, optimizers["two"]), (right, optimizers["one"])):
                optimizer.apply(
                    [variable * 0.5 + 1 for variable in model.trainable_variables], model.trainable_variables
                )
            ctx.save(left=left, right=right, **optimizers, tensor=tf.constant([epoch]), nested={"a": [1, (2, "b")]})
            ctx.report({"val_loss": sum(float(keras.ops.sum(weight)) for m in (left, right) for weight in m.weights)})

    resuming = False
    whole = train(loop_study(loop), assignment(4), None)
    first = train(loop_study(loop), assignment(2), None, FakeLink(["pause"]))
    resuming = True
    second = resume(loop_study(loop), first, 4)
    assert isinstance(second.ending, Completed), second.ending
    assert second.link.curve[4] == pytest.approx(whole.link.curve[4], rel=1e-6)


def test_a_study_that_never_restores_starts_after_the_saved_epoch() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.report({"val_loss": 1})
            ctx.save(epoch=epoch)

    first = train(loop_study(loop), assignment(2), None, FakeLink(["pause"]))
    assert list(resume(loop_study(loop), first, 4).link.curve) == [3, 4]


def test_a_model_that_cannot_be_a_keras_file(data: Data) -> None:
    class Odd(keras.Model):
        def __init__(self, thing: Any) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def get_config(self) -> Any:
            raise NotImplementedError("no config")

        def call(self, x: Any) -> Any:
            return self.dense(x)

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        model = Odd(object())
        model(np.zeros((1, 2)))
        for _ in ctx.epochs:
            ctx.report({"val_loss": 1})
            ctx.save(model=model)

    with pytest.warns(UserWarning, match="best model cannot be written as a .keras file: no config"):
        done = train(loop_study(loop), assignment(2, max_epochs=2), None)
    assert done.ending == Completed("reached epoch 2")
    assert export_best(loop_study(loop), {}, 7, done.link.last_content) is None


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
