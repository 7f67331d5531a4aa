"""Lets the graphs of past trials go.

TensorFlow registers each gradient that is given as a function (that of a cross-entropy, of swish) for ever, and with it
the whole graph that it belongs to: some 7 MB a trial, and ever slower garbage collection. Here the graph comes to own
such a gradient and the registry only refers to it, so that both end together and not before. Where TensorFlow's insides
look otherwise, the log says so once and nothing more is done.

To be deleted, with its test, once it is measured that memory stays bounded without it: when workers that grow past a
bound are replaced and graphs are used again from trial to trial, or when TensorFlow itself lets them go.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import tensorflow as tf

PREFIX = "CustomGradient-"
OWNED = "_orchestrator_owned_gradients"

Gradient = Callable[..., Any]
Registry = dict[str, dict[str, Any]]

_is_on = True


def release_past_graphs() -> None:
    """Once per trial is enough: a graph that is still in use stays."""
    global _is_on
    if not _is_on:
        return
    try:
        _release()
    except Exception as error:
        _is_on = False
        logging.getLogger(__name__).warning(
            "the graphs of past trials stay in memory, since TensorFlow %s looks different inside: %s: %s",
            tf.__version__,
            type(error).__name__,
            error,
        )


def _release() -> None:
    """Raises whatever comes of insides that look different."""
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import custom_gradient

    registry: Registry = ops.gradient_registry._registry
    for name, entry in list(registry.items()):
        gradient = entry["type"]
        # Not those of loaded SavedModels, which have names of the same kind.
        if name.startswith(PREFIX) and getattr(gradient, "__module__", "") == custom_gradient.__name__:
            graph = _graph_of(gradient)
            if graph is not None:
                entry["type"] = _Owned(gradient, graph, partial(_forget, registry, name))


class _Owned:
    """Stands in the registry for a gradient that its graph owns."""

    def __init__(self, gradient: Gradient, graph: tf.Graph, at_end: Callable[[Any], None]) -> None:
        setattr(graph, OWNED, [*getattr(graph, OWNED, ()), gradient])
        self._gradient = ref(gradient, at_end)

    def __call__(self, operation: tf.Operation, *gradients: Any) -> Any:
        gradient = self._gradient()
        if gradient is None:
            raise LookupError(
                "a gradient ended with the graph that it was made in: copies of that graph, such as a SavedModel's, "
                "have gradients only as long as it is in use"
            )
        return gradient(operation, *gradients)


def _forget(registry: Registry, name: str, _: object) -> None:
    registry.pop(name, None)


def _graph_of(gradient: Gradient) -> tf.Graph | None:
    """Of the forward result, which the function inside the registered one has closed over."""
    for tensor in tf.nest.flatten(_closed_over(_closed_over(gradient, "tape_grad_fn"), "result")):
        if isinstance(graph := getattr(tensor, "graph", None), tf.Graph):
            return graph
    return None


def _closed_over(function: Any, name: str) -> Any:
    return function.__closure__[function.__code__.co_freevars.index(name)].cell_contents
