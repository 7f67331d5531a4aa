"""Adam's step as one operation of TensorFlow's for each variable.

Keras writes it as two dozen operations, and a dozen of them pass over the whole variable: in a small network on one
thread a tenth of the training time, and a third of that of compiling. The formula (Kingma and Ba, "Adam: a method for
stochastic optimization", 2015, the version before section 2.1) is the same, and so are the results, to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from orchestrator.training.settable import unwrapped

KERAS_STEP = keras.optimizers.Adam.update_step


@contextmanager
def fused(optimizer: keras.optimizers.Optimizer | None) -> Iterator[None]:
    """While tracing: Adam and AdamW, themselves and as Keras has them, take their steps so."""
    inner = None if optimizer is None else unwrapped(optimizer)
    if inner is None or not _is_adam(inner):
        yield
        return
    vars(inner)["update_step"] = _Steps(inner).update
    try:
        yield
    finally:
        del vars(inner)["update_step"]


def _is_adam(optimizer: keras.optimizers.Optimizer) -> bool:
    is_keras_own = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    is_as_there = type(optimizer).update_step is KERAS_STEP and "update_step" not in vars(optimizer)
    return is_keras_own and is_as_there and not optimizer.amsgrad


class _Steps:
    def __init__(self, adam: keras.optimizers.Adam) -> None:
        self._adam = adam
        self._common: dict[Any, tuple[tf.Tensor, ...]] = {}
        """By graph: what the steps of all its variables have in common."""

    def update(self, gradient: Any, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """In place of `Adam.update_step`."""
        if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            KERAS_STEP(self._adam, gradient, variable, learning_rate)
            return
        graph = tf.compat.v1.get_default_graph()
        if graph not in self._common:
            self._common[graph] = self._of_this_step(learning_rate)
        alpha, beta_1, beta_2, epsilon = self._common[graph]
        place = self._adam._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._adam._momentums[place].value.handle,
            v=self._adam._velocities[place].value.handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=alpha,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=tf.cast(gradient, tf.float32),
        )

    def _of_this_step(self, learning_rate: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The step size with its correction for the bias of the moments, both betas, and epsilon.

        Keras rounds a beta for that correction, and 1 - beta for the moments; the operation works the latter out from
        the rounded beta, which is 1e-4 off where that is 0.9999. So much is taken out of the step size.
        """
        step = tf.cast(self._adam.iterations + 1, tf.float64)
        beta_1, beta_2 = (tf.convert_to_tensor(beta, tf.float64) for beta in (self._adam.beta_1, self._adam.beta_2))
        rounded_1, rounded_2 = (tf.cast(beta, tf.float32) for beta in (beta_1, beta_2))
        mean, kept_mean = (_bias(beta, step) for beta in (beta_1, rounded_1))
        square, kept_square = (_bias(beta, step) for beta in (beta_2, rounded_2))
        alpha = tf.cast(learning_rate, tf.float64) * (mean / kept_mean**2) * (kept_square / tf.sqrt(square))
        return tf.cast(alpha, tf.float32), rounded_1, rounded_2, tf.convert_to_tensor(self._adam.epsilon, tf.float32)


def _bias(beta: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """The sum of the weights that a moment gives to the gradients so far."""
    return 1 - tf.cast(beta, tf.float64) ** step
