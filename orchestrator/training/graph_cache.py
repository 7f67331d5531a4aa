"""The graphs of this process, used again by trials whose models have the same structure."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.utils.tracking import DotNotTrackScope
from tensorflow.python.eager import context

from orchestrator.training.graphs import Graph, state_of, trace_training, trace_validation, weighted_batch
from orchestrator.training.prepared import Prepared

MOST_GRAPHS = 8
"""Some ten megabytes each."""


@dataclass(frozen=True, slots=True)
class Graphs:
    training: Graph
    validation: Graph
    is_stock: bool
    """All of it is Keras's own: metrics begin anew within the graph, and the logs are their results."""
    variables: list[Any]
    """Shapes and types of those that the graphs take."""
    loss: Any
    metrics: Any
    """What Keras has made of `compile`'s arguments: constants, and states that every epoch begins anew."""


_cache: OrderedDict[str, Graphs] = OrderedDict()


def forget_graphs() -> None:
    """Gives back their memory, and that of TensorFlow's kernels."""
    _cache.clear()
    context.context().clear_kernel_cache()


def find(structure: str | None) -> Graphs | None:
    if structure is None or structure not in _cache:
        return None
    _cache.move_to_end(structure)
    return _cache[structure]


def fits(graphs: Graphs, model: keras.Model) -> bool:
    """Whether the model, once it is built, has the variables that the graphs take."""
    return graphs.variables == _described(model)


def build(prepared: Prepared, known: Graphs | None = None) -> None:
    """Make the variables of the model, its optimizer and its metrics, as `fit` does before it begins.

    With `known` graphs of its structure the model takes over their metrics: making its own takes longer than an epoch
    of a small model.
    """
    model = prepared.model
    if known is not None:
        with DotNotTrackScope():
            model._compile_loss, model._compile_metrics = known.loss, known.metrics
    first = keras.tree.map_structure(lambda tensor: tensor[: prepared.batch_size], prepared.training)
    model._symbolic_build(data_batch=weighted_batch(first, prepared.class_weight))


def trace(prepared: Prepared, structure: str | None) -> Graphs:
    """Of a model that is built. Kept for others of this structure, unless it depends on something else."""
    model, is_stock = prepared.model, structure is not None
    graphs = Graphs(
        training=trace_training(model, prepared.training, prepared.batch_size, prepared.class_weight, is_stock),
        validation=trace_validation(model, prepared.validation, prepared.validation_batch_size, is_stock),
        is_stock=is_stock,
        variables=_described(model),
        loss=model._compile_loss,
        metrics=model._compile_metrics,
    )
    if structure is not None and graphs.training.is_free and graphs.validation.is_free:
        _cache[structure] = graphs
        while len(_cache) > MOST_GRAPHS:
            _cache.popitem(last=False)
    return graphs


def _described(model: keras.Model) -> list[Any]:
    return [(variable.shape.as_list(), variable.dtype) for variable in state_of(model)]
