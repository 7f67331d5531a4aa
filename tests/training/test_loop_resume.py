"""What a loop of the user's own saves, and how it continues from that."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.training.checkpoint import export_best
from orchestrator.training.data import Data
from orchestrator.training.link import Completed
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
