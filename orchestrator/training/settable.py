"""What an optimizer multiplies and adds with can be an input of a graph, so that trials that differ in it share one.

Its attribute is a `Scalar` while the graph is traced. A Python float is rounded to the variables' precision only where
it meets a tensor (1 - 0.9999 is worked out in doubles), and a `Scalar` is too: the results are the same, bit by bit.
The learning rate needs none of this, for Keras keeps it in a variable.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.optimizers.Adam: ("beta_1", "beta_2", "epsilon", "weight_decay"),
    keras.optimizers.AdamW: ("beta_1", "beta_2", "epsilon", "weight_decay"),
    keras.optimizers.Lion: ("beta_1", "beta_2", "weight_decay"),
    keras.optimizers.RMSprop: ("rho", "epsilon", "weight_decay"),
    keras.optimizers.SGD: ("momentum", "weight_decay"),
}
"""Of those classes themselves: what a subclass does with them is not known."""


class Scalar:
    """A number that is known when the graph runs, in place of a Python float."""

    def __init__(self, double: tf.Tensor) -> None:
        self._double = double

    def __rsub__(self, other: float) -> "Scalar":
        return Scalar(other - self._double)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> tf.Tensor:
        return tf.cast(self._double, dtype or tf.float32)


def unwrapped(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Without what Keras puts around it where the precision is mixed, to scale the loss."""
    inner = getattr(optimizer, "inner_optimizer", None)
    return unwrapped(inner) if isinstance(inner, keras.optimizers.Optimizer) else optimizer


def settable(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """The attributes that can be inputs, with their values: numbers, not zero, of an optimizer of 32-bit weights.

    SGD has no momenta where its momentum is 0, so that is another graph.
    """
    optimizer = unwrapped(optimizer)
    if any(variable.dtype != "float32" for variable in optimizer._trainable_variables):
        return {}
    values = {name: vars(optimizer).get(name) for name in ATTRIBUTES.get(type(optimizer), ())}
    return {name: float(value) for name, value in values.items() if type(value) in (int, float) and value}


@contextmanager
def set_to(optimizer: keras.optimizers.Optimizer, names: list[str], doubles: tf.Tensor) -> Iterator[None]:
    """While tracing: the attributes are the elements of a vector of doubles."""
    attributes = vars(unwrapped(optimizer)) if names else {}
    before = {name: attributes[name] for name in names}
    attributes.update({name: Scalar(doubles[place]) for place, name in enumerate(names)})
    try:
        yield
    finally:
        attributes.update(before)
