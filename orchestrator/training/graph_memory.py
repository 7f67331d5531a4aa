"""Lets the graphs of past trials go.

TensorFlow registers each gradient that is given as a function (that of a cross-entropy, of swish) for ever, and with it
the whole graph that it belongs to: some 7 MB a trial, and ever slower garbage collection. Here the graph comes to own
such a gradient and the registry only refers to it, so that both end together and not before. Where TensorFlow's insides
look otherwise, nothing is done.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import tensorflow as tf
from tensorflow.python.framework import ops

PREFIX = "CustomGradient-"
OWNED = "_orchestrator_owned_gradients"

Gradient = Callable[..., Any]
Registry = dict[str, dict[str, Any]]


def release_past_graphs() -> None:
    """Once per trial is enough: a graph that is still in use stays."""
    registry: Registry = getattr(ops.gradient_registry, "_registry", {})
    for name, entry in list(registry.items()):
        if name.startswith(PREFIX) and not isinstance(entry["type"], _Owned):
            graph = _graph_of(entry["type"])
            if graph is not None:
                entry["type"] = _Owned(entry["type"], graph, partial(_forget, registry, name))


class _Owned:
    """Stands in the registry for a gradient that its graph owns."""

    def __init__(self, gradient: Gradient, graph: tf.Graph, at_end: Callable[[Any], None]) -> None:
        setattr(graph, OWNED, [*getattr(graph, OWNED, ()), gradient])
        self._gradient = ref(gradient, at_end)

    def __call__(self, operation: tf.Operation, *gradients: Any) -> Any:
        gradient = self._gradient()
        assert gradient is not None
        return gradient(operation, *gradients)


def _forget(registry: Registry, name: str, _: object) -> None:
    registry.pop(name, None)


def _graph_of(gradient: Gradient) -> tf.Graph | None:
    """Of the forward result, which the function inside the registered one has closed over."""
    for inner in _closed_over(gradient).values():
        for tensor in tf.nest.flatten(_closed_over(inner).get("result")):
            if isinstance(graph := getattr(tensor, "graph", None), tf.Graph):
                return graph
    return None


def _closed_over(function: Any) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}
