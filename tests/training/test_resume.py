"""A paused trial continues where it was: four epochs at once are two, a checkpoint, a new model and two more."""

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.study import Study
from orchestrator.training.data import Data
from orchestrator.training.link import Failed
from orchestrator.training.packing import unpack
from tests.training.support import FakeLink, Trained, after, assignment, fit_study, numbers, tiny, train

Build = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def data() -> Data:
    """Two batches, one of them partial."""
    return numbers(rows=20)


def network(
    optimizer: Callable[[], Any], *, known_input: bool = True, extra: tuple[Any, ...] = (), compiled: bool = False
) -> Build:
    """Dropout and batch normalisation: state beside the weights. Not compiled, where a graph makes no difference."""

    def build(configuration: dict[str, Any]) -> Any:
        layers = [
            *([keras.Input((4,))] if known_input else []),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            *[layer() for layer in extra],
            keras.layers.Dense(3, activation="softmax"),
        ]
        model = keras.Sequential(layers)
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer(), loss, metrics=["accuracy"], run_eagerly=not compiled)
        return model

    return build


class Noise(keras.Layer):
    """Draws from Keras's own generator, not from one of its layer's."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + 0.1 * keras.random.normal(keras.ops.shape(x)) if training else x


class Jitter(keras.callbacks.Callback):
    """Draws from Python's and NumPy's generators as each epoch begins."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        rate = 0.01 * (1 + random.random() + np.random.random())  # noqa: NPY002
        self.model.optimizer.learning_rate = rate


def adam() -> Any:
    return keras.optimizers.Adam(0.02)


def scheduled() -> Any:
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.2, 3, 0.7), momentum=0.9)


def plateau(_: Any) -> dict[str, Any]:
    """Cuts the rate after every epoch that is not better by far."""
    plan = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.2, factor=0.3, min_lr=1e-6)
    return {"callbacks": [plan]}


CASES = {
    "adam": fit_study(network(adam, compiled=True)),
    "input known from the first batch": fit_study(network(adam, known_input=False, compiled=True)),
    "rate by step": fit_study(network(scheduled)),
    "rate by plateau": fit_study(network(adam), fit=plateau),
    "rate by epoch": fit_study(
        network(adam),
        fit=lambda _: {"callbacks": [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))]},
    ),
    "unseeded noise": fit_study(network(adam, extra=(Noise,), compiled=True)),
    "random callback": fit_study(network(adam), fit={"callbacks": [Jitter()]}),
    "averaged weights": fit_study(
        network(lambda: keras.optimizers.AdamW(0.02, use_ema=True, ema_overwrite_frequency=3))
    ),
    "scaled loss": fit_study(network(lambda: keras.optimizers.LossScaleOptimizer(adam()))),
}


def weights_at_the_end(done: Trained) -> list[Any]:
    weights: list[Any] = unpack(done.link.last_content)["whole"]["model"]["weights"]
    return weights


@pytest.mark.parametrize("name", CASES)
def test_resumed_is_unbroken(data: Data, name: str) -> None:
    study = CASES[name]
    whole = train(study, assignment(4, max_epochs=4), data)
    first = train(study, assignment(2), data, FakeLink(["pause"]))
    keras.utils.set_random_seed(99)
    second = train(study, after(first, 4), data, first.link)
    assert list(second.link.curve) == [1, 2, 3, 4], second.ending
    for epoch in range(1, 5):
        assert second.link.curve[epoch] == pytest.approx(whole.link.curve[epoch], abs=1e-6, rel=1e-6)
    for one, other in zip(weights_at_the_end(whole), weights_at_the_end(second), strict=True):
        assert np.allclose(one, other, rtol=1e-6, atol=1e-6)
    assert whole.link.checkpoints[-1].best_epoch == second.link.checkpoints[-1].best_epoch


def test_early_stopping_remembers_its_patience_and_best_weights(data: Data) -> None:
    """The best epoch lies before the pause: what it restores at the end must come through the checkpoint."""
    scores = [1.0, 3.0, 2.5, 2.0, 1.5]
    kept: list[Any] = []

    class Patience(keras.callbacks.EarlyStopping):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["mine"] = scores[epoch]
            super().on_epoch_end(epoch, logs)

        def on_train_end(self, logs: Any = None) -> None:
            super().on_train_end(logs)
            kept.append([weights.copy() for weights in self.model.get_weights()])

    def fit(_: Any) -> dict[str, Any]:
        return {"callbacks": [Patience(monitor="mine", mode="max", patience=2, restore_best_weights=True)]}

    study = fit_study(objective="mine", direction="max", fit=fit)
    whole = train(study, assignment(5, max_epochs=5), data)
    first = train(study, assignment(3, max_epochs=5), data, FakeLink(["pause"]))
    second = train(study, after(first, 5, max_epochs=5), data, first.link)
    assert whole.link.told[-2:] == second.link.told[-2:] == [4, "saved 4, best 2"]
    assert all(np.array_equal(one, other) for one, other in zip(kept[0], kept[-1], strict=True))


def test_what_callbacks_set_as_training_begins_is_undone(data: Data) -> None:
    """A warm-up that starts with a low rate must not start again."""

    class WarmUp(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 1e-4

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.1
            logs["rate"] = float(self.model.optimizer.learning_rate.numpy())

    study = fit_study(fit=lambda _: {"callbacks": [WarmUp()]})
    whole = train(study, assignment(2, max_epochs=2), data)
    first = train(study, assignment(1, max_epochs=2), data, FakeLink(["pause"]))
    second = train(study, after(first, 2, max_epochs=2), data, first.link)
    assert second.link.curve[2] == pytest.approx(whole.link.curve[2], rel=1e-6)


class Rivals(keras.Model):
    """Optimizers of its own, in a train step of its own; each trains a part."""

    def __init__(self) -> None:
        super().__init__()
        self.body = keras.layers.Dense(6, activation="tanh")
        self.head = keras.layers.Dense(3)
        self.tail = keras.layers.Dense(3)
        self.body_optimizer = keras.optimizers.Adam(0.01)
        self.more = [keras.optimizers.SGD(0.05, momentum=0.8)]
        self.named = {"tail": keras.optimizers.Adam(0.02)}

    def call(self, x: Any) -> Any:
        return self.tail(self.head(self.body(x)))

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        pairs = ((self.body_optimizer, self.body), (self.more[0], self.head), (self.named["tail"], self.tail))
        for optimizer, part in pairs:
            optimizer.apply(tape.gradient(loss, part.trainable_variables), part.trainable_variables)
        return {"loss": loss}


def test_optimizers_beside_the_models_own(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        model = Rivals()
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    study = fit_study(build)
    whole = train(study, assignment(4), data)
    first = train(study, assignment(2), data, FakeLink(["pause"]))
    second = train(study, after(first, 4), data, first.link)
    assert second.link.curve[4] == pytest.approx(whole.link.curve[4], rel=1e-6)
    saved = unpack(first.link.contents["trial-17-attempt-1-epoch-2.npz"])["whole"]["optimizers"]
    assert {"0.body_optimizer.0", "0.more.0", "0.named.0", "0.optimizer.0"} == set(saved)


def test_after_a_stop_within_an_epoch_there_are_the_best_weights(data: Data) -> None:
    """Such a trial has ended for good; from its file only the best epoch's weights can be had."""
    first = train(fit_study(), assignment(4), data, FakeLink(stop_at=10))
    assert first.link.told[-1] == "saved 2, best 2"
    paused = train(fit_study(), assignment(2), data, FakeLink(["pause"]))
    assert unpack(first.link.last_content)["whole"] is None
    assert first.link.checkpoints[-1].name == "trial-17-attempt-1-epoch-2-best.npz"
    first.link.stop_at = None
    second, unbroken = (
        train(fit_study(), after(trained, 3, max_epochs=3), data, trained.link) for trained in (first, paused)
    )
    assert second.link.curve[3] == pytest.approx(unbroken.link.curve[3], rel=1e-6)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (fit_study(network(adam)), "the checkpoint does not fit the model"),
        (fit_study(fit=plateau), "the checkpoint holds the callbacks none, Study(fit=…) gives ReduceLROnPlateau"),
    ],
)
def test_a_build_that_is_no_function_of_its_configuration(data: Data, other: Study, message: str) -> None:
    first = train(fit_study(), assignment(1), data, FakeLink(["pause"]))
    ending = train(other, after(first, 2), data, first.link).ending
    assert isinstance(ending, Failed)
    assert not ending.bad_study
    assert ending.message.startswith(message)


def test_models_within_models(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        inner = tiny(configuration)
        model = keras.Sequential([inner])
        model.compile(adam(), "sparse_categorical_crossentropy", run_eagerly=True)
        return model

    first = train(fit_study(build), assignment(1), data, FakeLink(["pause"]))
    second = train(fit_study(build), after(first, 2, max_epochs=2), data, first.link)
    whole = train(fit_study(build), assignment(2, max_epochs=2), data)
    assert second.link.curve[2] == pytest.approx(whole.link.curve[2], rel=1e-6)
