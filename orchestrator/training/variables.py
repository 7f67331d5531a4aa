"""The values of Keras models and optimizers as plain arrays, and back into models and optimizers made anew."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from orchestrator.training.packing import Tree

Values = list[NDArray[Any]]

TENSORFLOWS_OWN = "_self_"
"""Attributes in which it lists the others once more."""


def values(variables: Iterable[Any]) -> Values:
    return [np.asarray(tf.convert_to_tensor(variable).numpy()) for variable in variables]


def set_values(variables: Sequence[Any], arrays: Sequence[NDArray[Any]], owner: str) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in arrays]:
        raise ValueError(
            f"the checkpoint does not fit the {owner}: it holds arrays of the shapes "
            f"{[array.shape for array in arrays]}, the {owner} has {shapes}. "
            "The same configuration must always build the same model"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def is_variable(item: Any) -> bool:
    """Of Keras or TensorFlow, with values that an array of numbers can hold."""
    return isinstance(item, keras.Variable) or (
        isinstance(item, tf.Variable) and item.dtype not in (tf.string, tf.resource, tf.variant)
    )


def layer_state(layer: keras.Layer) -> Tree:
    return {"weights": values(layer.weights), "others": values(_beside_weights(layer))}


def set_layer_state(layer: keras.Layer, state: Tree) -> None:
    set_values(layer.weights, state["weights"], f"model '{layer.name}'")
    set_values(_beside_weights(layer), state["others"], f"random state of the model '{layer.name}'")


def _beside_weights(layer: keras.Layer) -> list[Any]:
    """What a layer keeps besides weights and metrics: the states of its random generators, and TensorFlow's variables
    and generators in attributes, of which Keras knows nothing."""
    weights = {id(variable) for variable in layer.weights}
    known = [variable for variable in layer.variables if id(variable) not in weights]
    unknown: dict[int, Any] = {}
    for part in layer._flatten_layers():
        for name, value in vars(part).items():
            for item in _items(value) if not name.startswith(TENSORFLOWS_OWN) else ():
                if isinstance(item, tf.random.Generator):
                    unknown[id(item)] = item.state
                elif isinstance(item, tf.Variable) and is_variable(item):
                    unknown[id(item)] = item
    return [*known, *unknown.values()]


def optimizer_state(optimizer: keras.optimizers.Optimizer, variables: Sequence[Any]) -> Tree:
    """With the positions, among `variables`, of those that it was built on; None where it is none of them."""
    positions = {id(variable): position for position, variable in enumerate(variables)}
    built_on = [positions.get(id(variable)) for variable in optimizer._trainable_variables]
    return {"variables": values(optimizer.variables), "built_on": built_on if optimizer.built else None}


def set_optimizer_state(optimizer: keras.optimizers.Optimizer, state: Tree, variables: Sequence[Any]) -> None:
    """Builds the optimizer first if need be: only then has it the variables that hold its moments."""
    positions = state["built_on"]
    if positions is not None and not optimizer.built and None not in positions:
        optimizer.build([variables[position] for position in positions])
    set_values(optimizer.variables, state["variables"], f"optimizer '{optimizer.name}'")


def optimizers(model: keras.Model) -> Iterator[tuple[str, keras.optimizers.Optimizer]]:
    """The model's own, those kept in attributes for a train step of its own, and those of models inside it."""
    for place, part in enumerate(_models(model)):
        for name, value in vars(part).items():
            if name.startswith(TENSORFLOWS_OWN):
                continue
            for position, item in enumerate(_items(value)):
                if isinstance(item, keras.optimizers.Optimizer):
                    yield f"{place}.{name}.{position}", item


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else [value]


def _models(model: keras.Model) -> Iterator[keras.Model]:
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _models(layer)


def no_rows(inputs: Any) -> Any:
    """Shape and type of the rows of each input, as arrays without rows."""
    return keras.tree.map_structure(
        lambda x: np.empty((0, *x.shape[1:]), "S1" if x.dtype == tf.string else x.dtype.as_numpy_dtype), inputs
    )


def build_weights(model: keras.Model, inputs: Any, count: int) -> None:
    """A model that learns its input's shape from the first batch gets one row of zeros, to have `count` weights."""
    if not model.built or len(model.weights) != count:
        model(keras.tree.map_structure(_one_row, inputs), training=False)


def _one_row(array: NDArray[Any]) -> tf.Tensor:
    return tf.convert_to_tensor(np.zeros((1, *array.shape[1:]), array.dtype))
