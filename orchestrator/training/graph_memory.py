"""Lets the graphs of past trials go.

TensorFlow registers each gradient that is given as a function (cross-entropy's, for one) under a new name for ever,
and with it the whole graph that it belongs to: some 7 MB a trial, and ever slower garbage collection. Here the graph
comes to own such a gradient and the registry only refers to it, so that both end together. Where TensorFlow's insides
look otherwise, nothing is done.
"""

from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

import keras
import tensorflow as tf
from tensorflow.python.framework import ops

PREFIX = "CustomGradient-"
OWNED = "_gradients_given_as_functions"

Gradient = Callable[..., Any]


def release_past_graphs() -> None:
    registry: dict[str, dict[str, Any]] = ops.gradient_registry._registry
    for name, entry in list(registry.items()):
        if name.startswith(PREFIX) and not isinstance(entry["type"], _Owned):
            graph = _graph_of(entry["type"])
            if graph is not None:
                entry["type"] = _Owned(entry["type"], graph, lambda _, name=name: registry.pop(name, None))


class _Owned:
    """Stands in the registry for a gradient that its graph owns."""

    def __init__(self, gradient: Gradient, graph: tf.Graph, at_end: Callable[[ReferenceType[Gradient]], Any]) -> None:
        vars(graph).setdefault(OWNED, []).append(gradient)
        self._gradient = ref(gradient, at_end)

    def __call__(self, operation: Any, *gradients: Any) -> Any:
        gradient = self._gradient()
        assert gradient is not None
        return gradient(operation, *gradients)


def _graph_of(gradient: Gradient) -> tf.Graph | None:
    """The graph of the tensors that the function has closed over, two functions deep."""
    for cell in _cells(gradient):
        for inner in _cells(cell):
            for item in keras.tree.flatten(inner):
                if isinstance(item, tf.Tensor) and not tf.executing_eagerly_outside_functions() or hasattr(item, "op"):
                    return item.graph
    return None


def _cells(function: Any) -> list[Any]:
    return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
