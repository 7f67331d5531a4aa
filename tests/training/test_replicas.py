"""Trained on several devices a model is what it is on one. CPUs stand for the GPUs here."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, losses, optimizers

from orchestrator.studies import digits_mlp
from orchestrator.study import Study
from orchestrator.training import replicas
from orchestrator.training.data import Data, check_data
from orchestrator.training.link import Failed
from orchestrator.training.packing import unpack
from orchestrator.training.pipelines import Pipelines
from tests.training.support import FakeLink, Trained, assignment, fit_study, loop_study, numbers, resume, train

On = Callable[[int], None]

SOFTMAX = "sparse_categorical_crossentropy"
DIGITS = {
    "layers": 2,
    "hidden_units": 64,
    "learning_rate": 0.003,
    "learning_rate_decay": 0.1,
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-7,
}


@pytest.fixture(scope="module")
def digits() -> Data:
    """1,078 rows to train on, 359 to validate on."""
    return check_data(digits_mlp.data())


@pytest.fixture(scope="module")
def data() -> Data:
    """50 rows: in batches of 16 they leave 2."""
    return numbers()


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """From now on trials are trained on so many devices."""

    def on(count: int) -> None:
        names = tuple(f"CPU:{number}" for number in range(count)) if count > 1 else ()
        monkeypatch.setattr(replicas, "devices", lambda: names)
        # Strategies of one process would otherwise take each other's messages.
        monkeypatch.setattr(tf.distribute.MirroredStrategy, "_collective_key_base", 1000 * count)

    return on


def weights(done: Trained) -> list[Any]:
    assert done.link.checkpoints, done.ending
    found: list[Any] = unpack(done.link.last_content)["whole"]["model"]["weights"]
    return found


def assert_alike(one: Trained, other: Trained, tolerance: float = 1e-4) -> None:
    assert list(one.link.curve) == list(other.link.curve)
    for epoch, metrics in one.link.curve.items():
        assert other.link.curve[epoch] == pytest.approx(metrics, abs=tolerance)
    for first, second in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("count", "changed"),
    [
        # Parts of 45 and 46 rows; the last batch has 173.
        (4, {"optimizer": "sgd", "learning_rate": 0.05, "batch_normalization": True, "batch_size": 181}),
        # Parts of 179 and 180 rows; the last batch has one.
        (2, {"optimizer": "adam", "batch_normalization": False, "batch_size": 359}),
    ],
    ids=["sgd", "adam"],
)
def test_equals_one_device(digits: Data, on: On, count: int, changed: dict[str, Any]) -> None:
    given = assignment(5, max_epochs=5, configuration={**DIGITS, **changed})
    one = train(digits_mlp.study, given, digits)
    on(count)
    assert_alike(one, train(digits_mlp.study, given, digits))


def compiled(*parts: Any, optimizer: Any, **given: Any) -> Any:
    model = keras.Sequential([*parts, layers.Dense(3, activation="softmax")])
    model.compile(optimizer, **{"loss": SOFTMAX, "metrics": ["accuracy"], **given})
    return model


def clipped(_: Any) -> Any:
    """By the norm of the whole gradient; with a penalty, and a metric that is no mean."""
    dense = layers.Dense(5, activation="tanh", kernel_regularizer="l2", activity_regularizer="l2")
    metrics: dict[str, Any] = {"metrics": [], "weighted_metrics": [keras.metrics.SparseCategoricalCrossentropy()]}
    return compiled(dense, optimizer=optimizers.SGD(1.0, momentum=0.9, global_clipnorm=0.1), **metrics)


def mixed(_: Any) -> Any:
    """Gradients of an embedding are sparse; the loss is scaled, and the weights are averaged."""
    inner = optimizers.AdamW(0.01, weight_decay=0.1, use_ema=True)
    parts = [layers.Embedding(7, 4), layers.Flatten(), layers.BatchNormalization()]
    return compiled(*parts, optimizer=optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=3))


class Own(keras.Model):
    """A step of its own, and two optimizers in one, which it has in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.Dense(5, activation="tanh", name="hidden")
        self.scores = layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.scores(self.hidden(x))

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, self.trainable_variables), self.trainable_variables)
        return self.compute_metrics(x, y, self(x))


def own(_: Any) -> Any:
    model = Own()
    both = optimizers.MultiOptimizer(lambda v: optimizers.SGD(0.1) if "hidden" in v.path else optimizers.Adam(0.01))
    model.mine = both
    model.compile(both, losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def words(rows: int) -> Data:
    draw = np.random.default_rng(5)
    return Data(*[(draw.integers(0, 7, (count, 6)), draw.integers(0, 3, count)) for count in (rows, 20)])


def weighed(_: Any) -> dict[str, Any]:
    return {"sample_weight": np.linspace(0, 3, 51)}


CASES: dict[str, tuple[Study, Any, int]] = {
    "clipped, weighed by class": (fit_study(clipped, fit={"class_weight": {0: 1.0, 1: 5.0, 2: 0.5}}), numbers(), 3),
    "mixed, weighed by row": (fit_study(mixed, fit=weighed), words(51), 2),
    "a step of its own": (fit_study(own), numbers(), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_study_may_ask_for(on: On, name: str) -> None:
    study, data, count = CASES[name]
    one = train(study, assignment(2, max_epochs=2), data)
    on(count)
    assert_alike(one, train(study, assignment(2, max_epochs=2), data), 1e-5)


def test_pipelines_of_the_studys_own(on: On) -> None:
    """Of batches of any size, whose number is not known, and of inputs by name, some sparse."""
    x, y = numbers().train
    table = tf.data.Dataset.from_tensor_slices(({"full": x, "sparse": tf.sparse.from_dense(x)}, y))
    batches = table.batch(9).filter(lambda *_: True)

    def build(_: Any) -> Any:
        inputs = {name: keras.Input((4,), name=name, sparse=name == "sparse") for name in ("full", "sparse")}
        both = layers.Concatenate()([inputs["full"], layers.Dense(3)(inputs["sparse"])])
        model = keras.Model(inputs, layers.Dense(3, activation="softmax")(both))
        model.compile(optimizers.SGD(0.1), SOFTMAX, metrics=["accuracy"], steps_per_execution=2)
        return model

    study, data = fit_study(build), Pipelines(batches, batches)
    one = train(study, assignment(2, max_epochs=2), data)
    on(2)
    assert_alike(one, train(study, assignment(2, max_epochs=2), data), 1e-5)


class Noise(layers.Layer):
    """Draws from Keras's own generator, not from one of its layer's."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + 0.1 * keras.random.normal(keras.ops.shape(x)) if training else x


def normalized(_: Any, *more: Any) -> Any:
    hidden = [layers.Dense(5, activation="tanh"), layers.BatchNormalization(), *more]
    return compiled(*hidden, optimizer=optimizers.SGD(0.1, momentum=0.9))


def test_goes_on_with_other_devices(on: On, data: Data) -> None:
    study = fit_study(normalized)
    one = train(study, assignment(3, max_epochs=3), data)
    on(2)
    done = train(study, assignment(1, max_epochs=3), data, FakeLink(["pause"]))
    on(1)
    done = resume(study, done, 2, data, max_epochs=3, verdicts=["pause"], loop="fit")
    on(3)
    done = resume(study, done, 3, data, max_epochs=3)
    assert done.link.curve[3] == pytest.approx(one.link.curve[3], abs=1e-5)
    for first, second in zip(weights(one), weights(done), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-5)


def test_resumed_is_unbroken(on: On, data: Data) -> None:
    """Where the copies draw numbers, too."""
    study = fit_study(lambda _: normalized(_, layers.Dropout(0.3), Noise()))
    on(2)
    whole = train(study, assignment(2, max_epochs=2), data)
    first = train(study, assignment(1, max_epochs=2), data, FakeLink(["pause"]))
    keras.utils.set_random_seed(99)
    assert first.link.checkpoints, first.ending
    second = resume(study, first, 2, data, max_epochs=2)
    assert second.link.curve[2] == pytest.approx(whole.link.curve[2], abs=1e-6)
    for one, other in zip(weights(whole), weights(second), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_copies_draw_apart(on: On) -> None:
    def drawn() -> Any:
        with replicas.scope():
            model = keras.Sequential([layers.Dropout(0.5, seed=3)])
        replicas.draw_apart(model)
        found = replicas.strategy().run(lambda: model(tf.ones([1, 1000]), training=True))
        return [copy.numpy() for copy in replicas.strategy().experimental_local_results(found)]

    (alone,) = drawn()
    on(2)
    first, second = drawn()
    assert np.array_equal(first, alone)
    assert 0.4 < np.mean(first == second) < 0.6


def test_a_loop_of_the_users_own(on: On) -> None:
    seen: list[int] = []

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            ones = ctx.strategy.run(lambda: tf.constant(1))
            seen.append(int(ctx.strategy.reduce("SUM", ones, axis=None)))
            ctx.report({"val_loss": 0.0})

    train(loop_study(loop), assignment(1, max_epochs=1), None)
    on(2)
    train(loop_study(loop), assignment(1, max_epochs=1), None)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "given",
    [{"gradient_accumulation_steps": 2}, {"use_ema": True, "ema_overwrite_frequency": 2}],
    ids=["accumulation", "average"],
)
def test_what_cannot_be_done(on: On, data: Data, given: dict[str, Any]) -> None:
    on(2)
    study = fit_study(lambda _: compiled(optimizer=optimizers.SGD(**given)))
    ending = train(study, assignment(1), data).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert ending.message == (
        f"the optimizer sets {[*given][-1]}, which Keras cannot do on several GPUs: leave it out, or use "
        "--gpus-per-trial 1"
    )
