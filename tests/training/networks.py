"""Studies of many kinds for the two ways to train: what is compiled, and how, must not change what is learned."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from orchestrator.study import Study
from orchestrator.training.data import Data
from tests.training.support import SPACE, numbers

ROWS, VALIDATION_ROWS, BATCH = 88, 20, 16
"""The last batch of an epoch has eight rows, the last of validation four."""
SOFTMAX = "sparse_categorical_crossentropy"


def data() -> Data:
    return numbers(ROWS)


def dicts() -> Data:
    """Two inputs by name."""
    plain = data()

    def split(pair: Any) -> Any:
        x, y = pair
        return {"left": x[:, :1], "right": x[:, 1:]}, y

    return Data(split(plain.train), split(plain.validation))


def two_outputs() -> Data:
    plain = data()

    def both(pair: Any) -> Any:
        x, y = pair
        return x, {"kind": y, "size": x.sum(axis=1, keepdims=True)}

    return Data(both(plain.train), both(plain.validation))


def stack(*inner: Callable[[], Any], loss: Any = SOFTMAX, metrics: Any = ("accuracy",), **compiled: Any) -> Any:
    def build(configuration: dict[str, Any]) -> Any:
        model = keras.Sequential(
            [keras.Input((4,)), *(make() for make in inner), layers.Dense(3, activation="softmax")]
        )
        optimizer = compiled.get("optimizer", lambda: keras.optimizers.Adam(0.02))()
        model.compile(
            optimizer, loss() if callable(loss) else loss, metrics=[m() if callable(m) else m for m in metrics]
        )
        return model

    return build


def mixed(_: dict[str, Any]) -> Any:
    keras.config.set_dtype_policy("mixed_float16")
    inner = [layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax", dtype="float32")]
    model = keras.Sequential([keras.Input((4,)), *inner])
    model.compile(keras.optimizers.Adam(0.02), SOFTMAX, metrics=["accuracy"])
    return model


def joined(_: dict[str, Any]) -> Any:
    inputs = {"left": keras.Input((1,), name="left"), "right": keras.Input((3,), name="right")}
    hidden = layers.Concatenate()([layers.Dense(4)(inputs["left"]), layers.Dense(4)(inputs["right"])])
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(hidden))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), SOFTMAX, metrics=["accuracy"])
    return model


def forked(_: dict[str, Any]) -> Any:
    inputs = keras.Input((4,))
    hidden = layers.Dense(8, activation="tanh")(inputs)
    outputs = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
        "size": layers.Dense(1, name="size")(hidden),
    }
    model = keras.Model(inputs, outputs)
    losses = {"kind": SOFTMAX, "size": "mse"}
    model.compile(
        "rmsprop", losses, loss_weights={"kind": 1.0, "size": 0.1}, metrics={"kind": "accuracy", "size": "mae"}
    )
    return model


class OwnStep(keras.Model):
    """A train step, with logs, of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def train_step(self, batch: Any) -> Any:
        import tensorflow as tf

        x, y = batch
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        weights = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss, "largest": tf.reduce_max(logits)}

    def test_step(self, batch: Any) -> Any:
        import tensorflow as tf

        x, y = batch
        return {"loss": tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, self(x)))}


def own_step(_: dict[str, Any]) -> Any:
    model = OwnStep()
    model.compile(keras.optimizers.Adam(0.05))
    return model


def late(_: dict[str, Any]) -> Any:
    """Knows its shapes only once it sees data."""
    model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile("adam", SOFTMAX)
    return model


def smooth() -> Any:
    return keras.losses.CategoricalCrossentropy(label_smoothing=0.1)


def one_hot() -> Data:
    plain = data()
    return Data(*((x, np.eye(3, dtype="float32")[y]) for x, y in (plain.train, plain.validation)))


KINDS: dict[str, tuple[Any, Callable[[], Data], dict[str, Any]]] = {
    "dense": (stack(lambda: layers.Dense(8, activation="relu")), data, {}),
    "dropout": (
        stack(lambda: layers.Dense(16), lambda: layers.Dropout(0.4), lambda: layers.GaussianNoise(0.1)),
        data,
        {},
    ),
    "normalized": (stack(lambda: layers.Dense(8, use_bias=False), layers.BatchNormalization), data, {}),
    "losses and metrics": (
        stack(loss=smooth, metrics=[keras.metrics.AUC, keras.metrics.CategoricalAccuracy, "mse"]),
        one_hot,
        {},
    ),
    "regularized": (stack(lambda: layers.Dense(8, kernel_regularizer="l2", activity_regularizer="l1")), data, {}),
    "class weights": (stack(), data, {"class_weight": {0: 1.0, 1: 5.0, 2: 0.5}}),
    "sample weights": (stack(), data, {"sample_weight": np.linspace(0.1, 2.0, ROWS)}),
    "schedule": (
        stack(optimizer=lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5))),
        data,
        {},
    ),
    "decayed and averaged": (
        stack(optimizer=lambda: keras.optimizers.AdamW(0.02, weight_decay=0.1, use_ema=True, clipnorm=1.0)),
        data,
        {},
    ),
    "in order": (stack(), data, {"shuffle": False}),
    "mixed precision": (mixed, data, {}),
    "dict inputs": (joined, dicts, {}),
    "several outputs": (forked, two_outputs, {}),
    "a train step of its own": (own_step, data, {}),
    "shapes known late": (late, data, {}),
    "few validation steps": (stack(), data, {"validation_batch_size": 5, "validation_steps": 2}),
}


def study_of(kind: str) -> tuple[Study, Data]:
    build, make, fit = KINDS[kind]
    study = Study(space=SPACE, build=build, data=make, objective="val_loss", direction="min", batch_size=BATCH, fit=fit)
    return study, make()
