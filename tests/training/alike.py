"""Trials made to catch a wrong reuse of graphs: those of a kind differ in one thing.

TensorFlow would build it into the graph, or Keras's configuration does not tell it.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, losses, optimizers
from keras.initializers import HeNormal
from keras.regularizers import L2

from tests.training.networks import SOFTMAX, stack


def adam(**given: Any) -> Any:
    return stack(lambda: layers.Dense(6, activation="relu"), optimizer=lambda: optimizers.Adam(**given))


def inner(*make: Callable[[], Any], **given: Any) -> Any:
    return stack(*make, **given)


class Scaled(layers.Layer):
    """Without `get_config`: nothing tells its factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


class Steep(layers.Dense):
    """Called as its base, and configured so."""

    factor = 1.0

    def call(self, x: Any) -> Any:
        return super().call(x) * self.factor


class Steeper(Steep):
    factor = 2.0


class Often(keras.metrics.Metric):
    """A state, and a constant of its own."""

    def __init__(self, factor: float) -> None:
        super().__init__(name="often")
        self.factor = factor
        self.seen = self.add_weight(name="seen", initializer="zeros")

    def update_state(self, y: Any, predicted: Any, sample_weight: Any = None) -> None:
        self.seen.assign_add(self.factor)

    def result(self) -> Any:
        return self.seen + 0.0


def steepness(factor: float) -> Callable[[Any], Any]:
    return lambda x: x * factor


def replaced(factor: float) -> Any:
    """A method of one instance is another's."""
    dense = layers.Dense(6)
    plain = dense.call
    dense.call = lambda inputs, training=None: plain(inputs) * factor
    return dense


def policy(name: str) -> Any:
    def build(configuration: dict[str, Any]) -> Any:
        keras.config.set_dtype_policy(name)
        return stack(lambda: layers.Dense(6))(configuration)

    return build


def frozen(trainable: bool) -> Any:
    return inner(lambda: layers.Dense(6, trainable=trainable))


def undecayed(names: list[str]) -> Any:
    def optimizer() -> Any:
        made = optimizers.AdamW(0.02, weight_decay=0.5)
        made.exclude_from_weight_decay(var_names=names)
        return made

    return stack(lambda: layers.Dense(6), optimizer=optimizer)


def decay(factor: float) -> Any:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 3, factor)
    return stack(optimizer=lambda: optimizers.SGD(schedule))


def scaled(**given: Any) -> Any:
    return stack(optimizer=lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.02, **given), initial_scale=8.0))


def adapted(rows: float) -> Any:
    """Keras builds in what the layer was adapted to, and its configuration does not tell."""

    def normalization() -> Any:
        made = layers.Normalization()
        made.adapt(np.array([[rows, 0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 4.0]], "float32"))
        return made

    return stack(normalization)


def changed(change: Callable[[Any], Any] = lambda dense: None, **given: Any) -> Any:
    """A layer that is changed once it is built."""

    def build(_: dict[str, Any]) -> Any:
        dense = layers.Dense(4, **given)
        model = keras.Sequential([keras.Input((4,)), dense, layers.Dense(3, activation="softmax")])
        change(dense)
        model.compile(optimizers.SGD(0.1), SOFTMAX, metrics=["accuracy"])
        return model

    return build


def freeze(dense: Any) -> None:
    dense.kernel.trainable = False


def regularize(dense: Any) -> None:
    """Too late: a variable has its regularizer from the beginning."""
    dense.kernel_regularizer = L2(1.0)


def branched(rate: float) -> Any:
    """Layers of many kinds, a model within, and operations between."""

    def build(_: dict[str, Any]) -> Any:
        inputs = keras.Input((4,))
        steps = layers.Reshape((4, 1))(layers.BatchNormalization()(inputs))
        seen = layers.MultiHeadAttention(2, 2, dropout=0.1)(steps, steps)
        heard = layers.SpectralNormalization(layers.Dense(2, activity_regularizer="l2"))(seen * 2.0 + steps)
        read = layers.Bidirectional(layers.LSTM(3, recurrent_dropout=0.1))(keras.ops.tanh(heard))
        inner = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
        model = keras.Model(inputs, inner(read))
        model.compile(optimizers.Adam(rate), SOFTMAX, metrics=["accuracy"])
        return model

    return build


def one_number(loss: Callable[[], Any]) -> Any:
    def build(_: dict[str, Any]) -> Any:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        model.compile(optimizers.SGD(0.01), loss())
        return model

    return build


def own_loss(factor: float) -> Any:
    return stack(loss=lambda: lambda y, p: factor * losses.sparse_categorical_crossentropy(y, p))


SHARED: dict[str, list[Any]] = {
    "adam": [adam(learning_rate=0.02), adam(learning_rate=0.01, beta_1=0.8), adam(learning_rate=0.02, epsilon=1e-3)],
    "adamw": [
        stack(optimizer=lambda d=d: optimizers.AdamW(0.02, weight_decay=d, beta_2=0.9 + d)) for d in (0.01, 0.05)
    ],
    "momentum": [stack(optimizer=lambda m=m: optimizers.SGD(0.05, momentum=m)) for m in (0.5, 0.9)],
    "rho": [stack(optimizer=lambda r=r: optimizers.RMSprop(0.01, rho=r, centered=True)) for r in (0.8, 0.95)],
    "lion": [stack(optimizer=lambda b=b: optimizers.Lion(0.001, beta_1=b)) for b in (0.8, 0.9)],
    "seeds": [
        inner(lambda s=s: layers.Dense(6, kernel_initializer=HeNormal(s)), lambda s=s: layers.Dropout(0.3, seed=s))
        for s in (1, 2)
    ],
    "scaled": [scaled(), scaled(beta_1=0.5)],
    "branched": [branched(0.01), branched(0.1)],
}  # fmt: skip
"""By structure: what can be set without tracing."""

TOLD_APART: dict[str, list[Any]] = {
    "units": [inner(lambda n=n: layers.Dense(n)) for n in (5, 6)],
    "activation": [inner(lambda a=a: layers.Dense(6, activation=a)) for a in ("relu", "tanh")],
    "rate of dropout": [inner(lambda r=r: layers.Dropout(r)) for r in (0.2, 0.4)],
    "momentum of a layer": [inner(lambda m=m: layers.BatchNormalization(momentum=m)) for m in (0.5, 0.9)],
    "regularizer": [inner(lambda f=f: layers.Dense(6, kernel_regularizer=L2(f))) for f in (0.1, 1.0)],
    "frozen": [frozen(True), frozen(False)],
    "no momentum": [stack(optimizer=lambda m=m: optimizers.SGD(0.05, momentum=m)) for m in (0.0, 0.5)],
    "nesterov": [stack(optimizer=lambda n=n: optimizers.SGD(0.05, 0.9, nesterov=n)) for n in (False, True)],
    "clipping": [stack(optimizer=lambda c=c: optimizers.SGD(0.5, clipnorm=c)) for c in (0.1, 1.0)],
    "amsgrad": [stack(optimizer=lambda a=a: optimizers.Adam(0.5, amsgrad=a)) for a in (False, True)],
    "schedule": [decay(0.5), decay(0.9)],
    "constant of a metric": [
        stack(metrics=[lambda k=k: keras.metrics.SparseTopKCategoricalAccuracy(k)]) for k in (1, 2)
    ],
    "dtype policy": [policy("float32"), policy("mixed_bfloat16")],
    "delta of a loss": [one_number(lambda d=d: losses.Huber(d)) for d in (0.1, 1.0)],
    "dtype of a loss": [one_number(lambda t=t: losses.MeanSquaredError(dtype=t)) for t in ("float32", "bfloat16")],
    "alpha": [inner(lambda a=a: layers.ELU(a)) for a in (0.1, 2.0)],
    "adapted": [adapted(1.0), adapted(100.0)],
    "frozen kernel": [changed(), changed(freeze)],
    "late regularizer": [changed(kernel_regularizer=L2(1.0)), changed(regularize)],
}  # fmt: skip
"""Keras's configuration tells the difference, or attributes do."""

UNTOLD: dict[str, list[Any]] = {
    "lambda layer": [inner(lambda f=f: layers.Lambda(lambda x: x * f)) for f in (1.0, 3.0)],
    "closure": [inner(lambda f=f: layers.Dense(6, activation=steepness(f))) for f in (1.0, 3.0)],
    "own layer": [inner(lambda f=f: Scaled(f)) for f in (1.0, 3.0)],
    "subclass": [inner(lambda: Steep(6)), inner(lambda: Steeper(6))],
    "method of an instance": [inner(lambda f=f: replaced(f)) for f in (1.0, 3.0)],
    "constant of a loss": [own_loss(1.0), own_loss(3.0)],
    "metric with a state": [stack(metrics=[lambda f=f: Often(f)]) for f in (1.0, 3.0)],
    "not decayed": [undecayed(["kernel"]), undecayed(["bias"])],
    "callable rate": [stack(optimizer=lambda r=r: optimizers.SGD(lambda _=None: tf.constant(r))) for r in (0.01, 0.1)],
}  # fmt: skip
"""It does not, or not for sure."""
