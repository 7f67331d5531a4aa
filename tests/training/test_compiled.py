"""Epochs in one graph: they learn what `fit` learns, are left within, and go on where they were left."""

import logging
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.training import graph_cache, graphs, model_trial
from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Diverged, Failed, Released
from orchestrator.training.packing import unpack
from tests.training.networks import KINDS, ROWS, stack, study_of
from tests.training.support import FakeLink, Trained, assignment, fit_study, numbers, resume, train

EPOCHS = 4
"""Of six batches."""
BATCHES = 6


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    graph_cache.forget_graphs()
    model_trial._told.clear()
    yield
    graph_cache.forget_graphs()


@pytest.fixture
def _a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "PART_SECONDS", 0.0)


def was_compiled(done: Trained) -> bool:
    return "trace" in done.link.activities


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_fit_learns(kind: str) -> None:
    """After 24 steps."""
    study, data = study_of(kind)
    ours, fits = (train(study, assignment(EPOCHS), data, loop=loop) for loop in ("auto", "fit"))
    assert was_compiled(ours) and not was_compiled(fits)
    assert ours.ending == fits.ending == Completed(f"reached epoch {EPOCHS}")
    assert ours.link.curve.keys() == fits.link.curve.keys()
    for epoch, metrics in fits.link.curve.items():
        assert ours.link.curve[epoch] == pytest.approx(metrics, rel=1e-5, abs=1e-5), epoch
    one, other = (unpack(done.link.last_content)["whole"]["model"]["weights"] for done in (ours, fits))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5)


def test_callbacks_are_called_as_by_fit() -> None:
    def told(loop: Any) -> list[Any]:
        calls: list[Any] = []

        class Diary(keras.callbacks.Callback):
            def on_train_begin(self, logs: Any = None) -> None:
                calls.append(("begin", self.params["epochs"], self.params["steps"]))

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                self.model.optimizer.learning_rate = 0.1 / (epoch + 1)
                calls.append(("epoch", epoch))

            def on_test_begin(self, logs: Any = None) -> None:
                calls.append("test")

            def on_test_end(self, logs: Any = None) -> None:
                calls.append(sorted(logs))

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                calls.append((epoch, sorted(logs), {type(value) for value in logs.values()}))
                logs["mine"] = 0.5

            def on_train_end(self, logs: Any = None) -> None:
                calls.append(("end", sorted(logs), self.model.history.epoch))

        study = fit_study(stack(), fit=lambda _: {"callbacks": [Diary()]})
        done = train(study, assignment(2, 2), numbers(), loop=loop)
        assert done.link.curve[2]["mine"] == 0.5
        return calls

    assert told("auto") == told("fit")


class PerBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class OwnFit(keras.Sequential):
    def fit(self, *arguments: Any, **named: Any) -> Any:
        return super().fit(*arguments, **named)


def own_fit(_: dict[str, Any]) -> Any:
    model = OwnFit([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("build", "callbacks", "why"),
    [
        (stack(), [PerBatch()], "PerBatch acts on every batch"),
        (own_fit, [], "OwnFit has a fit of its own"),
    ],
)
def test_what_cannot_be_compiled_is_trained_by_fit(
    build: Any, callbacks: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, once."""
    study = fit_study(build, fit={"callbacks": callbacks})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            done = train(study, assignment(1, 1), numbers())
            assert done.ending == Completed("reached epoch 1") and not was_compiled(done)
    told = [record.getMessage() for record in caplog.records if record.name == model_trial.__name__]
    assert told == [f"trained by fit, batch by batch: {why}"]


@pytest.mark.parametrize(
    "callback", [keras.callbacks.TerminateOnNaN, lambda: keras.callbacks.EarlyStopping(patience=9)]
)
def test_kerass_own_callbacks_that_wait_for_the_epoch(callback: Any) -> None:
    assert was_compiled(
        train(fit_study(stack(), fit=lambda _: {"callbacks": [callback()]}), assignment(1, 1), numbers())
    )


def test_what_cannot_be_traced_fails_as_under_fit() -> None:
    def wrong(_: dict[str, Any]) -> Any:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.BinaryCrossentropy())
        return model

    one_hot = Data(*[(np.zeros((20, 4), "float32"), np.zeros((20, 2), "float32"))] * 2)
    ours, fits = (train(fit_study(wrong), assignment(1), one_hot, loop=loop).ending for loop in ("auto", "fit"))
    assert isinstance(ours, Failed) and isinstance(fits, Failed)
    assert (ours.error, ours.kind, ours.where) == (fits.error, fits.kind, fits.where)


@pytest.mark.usefixtures("_a_batch_at_a_time")
def test_a_loss_that_is_no_number_ends_it_at_that_batch() -> None:
    data = numbers(ROWS)
    data.train[0][40] = np.nan
    done = train(fit_study(stack(), fit={"shuffle": False}), assignment(2), data)
    assert done.ending == Diverged(1, "loss became nan in epoch 1, batch 3")
    assert done.link.told == []


def test_in_the_middle_of_a_part_too() -> None:
    data = numbers(ROWS)
    study = fit_study(stack(), fit={"shuffle": False})
    train(study, assignment(4), numbers(ROWS))  # Parts are whole epochs from now on.
    data.train[0][40] = np.nan
    done = train(study, assignment(2, seed=8), data)
    assert done.ending == Diverged(1, "loss became nan in epoch 1, batch 3")


@pytest.mark.usefixtures("_a_batch_at_a_time")
@pytest.mark.parametrize("question", [1, 3, BATCHES])
def test_a_pause_within_an_epoch_holds_the_step(question: int) -> None:
    """Nothing is trained twice: what it goes on from is the batch after."""
    study = fit_study(stack(lambda: keras.layers.Dropout(0.3)))
    data = numbers(ROWS)
    unbroken = train(study, assignment(4), data)
    first = train(study, assignment(4), data, FakeLink(pause_at=2 * (BATCHES + 1) + question))
    assert (first.ending, first.link.told) == (Released(), [1, 2, "saved 2, best 2"])
    assert first.link.checkpoints[0].name == f"trial-17-attempt-1-epoch-2-step-{question}.npz"
    assert unpack(first.link.last_content)["whole"]["step"] == question
    second = resume(study, first, 4, data)
    assert {**first.link.curve, **second.link.curve} == unbroken.link.curve


@pytest.mark.usefixtures("_a_batch_at_a_time")
def test_a_pause_in_the_first_epoch_is_saved_too() -> None:
    study, data = fit_study(stack()), numbers(ROWS)
    first = train(study, assignment(4), data, FakeLink(pause_at=3))
    assert (first.ending, first.link.told) == (Released(), ["saved 0, best 0"])
    assert resume(study, first, 4, data).link.curve == train(study, assignment(4), data).link.curve


@pytest.mark.usefixtures("_a_batch_at_a_time")
def test_fit_does_not_go_on_within_an_epoch() -> None:
    """It would train batches twice."""
    study, data = fit_study(stack()), numbers(ROWS)
    first = train(study, assignment(4), data, FakeLink(pause_at=BATCHES + 3))
    ending = resume(study, first, 4, data, loop="fit").ending
    assert isinstance(ending, Failed) and "holds a part of an epoch" in ending.message


@pytest.mark.usefixtures("_a_batch_at_a_time")
def test_long_epochs_are_saved_within() -> None:
    done = train(fit_study(stack()), assignment(1, 1), numbers(ROWS), every=0.0)
    assert [checkpoint.name.removeprefix("trial-17-attempt-1-") for checkpoint in done.link.checkpoints] == [
        *(f"epoch-0-step-{step}.npz" for step in range(1, BATCHES + 1)),
        "epoch-1.npz",
    ]


@pytest.mark.usefixtures("_a_batch_at_a_time")
@pytest.mark.parametrize("question", [1, BATCHES])
def test_a_stop_within_an_epoch(question: int) -> None:
    """The best weights are saved, if they may be the run's best."""
    done = train(fit_study(stack()), assignment(4), numbers(ROWS), FakeLink(stop_at=BATCHES + 1 + question))
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])
    assert done.link.checkpoints[0].name.endswith("epoch-1-best.npz")


def test_what_callbacks_set_later_changes_what_it_changes_in_fit() -> None:
    """The learning rate; a momentum is built into Keras's graph, and may be no number any more."""

    class Later(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.momentum = 0.0
            self.model.optimizer.learning_rate = 0.05

    def build(configuration: dict[str, Any]) -> Any:
        return stack(optimizer=lambda: keras.optimizers.SGD(0.1, momentum=0.9))(configuration)

    study = fit_study(build, fit=lambda _: {"callbacks": [Later()]})
    ours, fits = (train(study, assignment(EPOCHS), numbers(ROWS), loop=loop) for loop in ("auto", "fit"))
    assert was_compiled(ours) and ours.link.curve.keys() == fits.link.curve.keys()
    for epoch, metrics in fits.link.curve.items():
        assert ours.link.curve[epoch] == pytest.approx(metrics, rel=1e-5, abs=1e-5)


def test_a_model_that_is_never_called_is_trained_by_fit(caplog: pytest.LogCaptureFixture) -> None:
    """As those that train two networks against each other."""

    class Pair(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])

        def train_step(self, batch: Any) -> Any:
            x, _ = batch
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self.inner(x)))
            weights = self.inner.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"loss": loss}

        def test_step(self, batch: Any) -> Any:
            return {"loss": tf.reduce_mean(tf.square(self.inner(batch[0])))}

    def build(_: dict[str, Any]) -> Any:
        model = Pair()
        model.compile(keras.optimizers.SGD(0.1))
        return model

    study = fit_study(build, objective="val_loss", direction="min")
    with caplog.at_level(logging.WARNING):
        done = train(study, assignment(EPOCHS), numbers(ROWS))
    assert done.ending == Completed(f"reached epoch {EPOCHS}")
    assert "trained by fit" in caplog.text
