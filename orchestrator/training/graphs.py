"""TensorFlow's graphs of many batches in a row: a call from Python every half second, not for every batch.

A graph is traced with one model and runs with any of the same structure. All that it reads and writes is an input: the
data, the order of the rows, which batches, what `settable` names, and the variables of the model, its optimizer and its
metrics. What is left in the graph are constants, which `structure.py` compares. The model that it was traced with may
go.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras.src.trainers.data_adapters.tf_dataset_adapter import make_class_weight_map_fn

from orchestrator.training.batches import Tensors, rows
from orchestrator.training.fused_adam import fused
from orchestrator.training.settable import set_to, settable

LOSS = "loss"
PART_SECONDS = 0.5
LONGER = 10
"""How much longer than the part before one may be: the first batch of all takes longer than others."""
SHORTEST_BATCH = 1e-6

Logs = dict[str, Any]

_COUNT = tf.TensorSpec([], tf.int64)


@dataclass(eq=False, slots=True)
class Graph:
    function: Any
    """Of TensorFlow's runtime: without the Python objects that it was made by."""
    captured: list[int | tf.Tensor]
    """Which of the model's variables each further input is: its place in `state_of`, or what it was when traced."""
    part: int = 1
    """How many batches to run at once, for about half a second."""

    @property
    def is_free(self) -> bool:
        """It depends on nothing but its inputs."""
        return all(isinstance(place, int) for place in self.captured)

    def run(self, variables: list[tf.Variable], first: int, last: int, *inputs: Any) -> tuple[int, Logs]:
        """Run the batches from `first` to before `last`, with a model's variables as `state_of` tells them.

        Returns:
            How many batches of the epoch are done now, and what the last of them logged.
        """
        captures = [variables[place].handle if isinstance(place, int) else place for place in self.captured]
        ends = [tf.constant(end, tf.int64) for end in (first, last)]
        began = time.perf_counter()
        done, logs = self.function.call_with_captures([*ends, *inputs], {}, captures)
        done = int(done)
        seconds = max((time.perf_counter() - began) / max(1, done - first), SHORTEST_BATCH)
        self.part = max(1, min(int(PART_SECONDS / seconds), LONGER * self.part))
        return done, logs


def rewrite_graphs(*, always: bool) -> None:
    """Whether TensorFlow rewrites graphs before it runs them (Grappler): on a GPU, or always, as it does by itself.

    On a CPU it takes a quarter as long again as tracing, and none of the networks tried here ran faster for it.
    """
    is_worth_it = always or bool(tf.config.list_logical_devices("GPU"))
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not is_worth_it})


def state_of(model: keras.Model) -> list[tf.Variable]:
    """All that a graph may read and write: the same place means the same thing in models of the same structure."""
    variables = [*model.variables, *model.metrics_variables]
    if model.optimizer is not None:
        variables += model.optimizer.variables
    return [variable.value if isinstance(variable, keras.Variable) else variable for variable in variables]


def scalars_of(model: keras.Model) -> tf.Tensor:
    """The values of what is settable, as the graph takes them."""
    values = settable(model.optimizer) if model.optimizer is not None else {}
    return tf.constant(list(values.values()), tf.float64, [len(values)])


def weighted_batch(batch: Tensors, class_weight: dict[int, float] | None) -> Tensors:
    return batch if class_weight is None else make_class_weight_map_fn(class_weight)(*batch)


def trace_training(
    model: keras.Model, pair: Tensors, batch_size: int, class_weight: dict[int, float] | None, is_stock: bool
) -> Graph:
    """A graph of `(first, last, pair, order, scalars)`: the batches of the rows in this order. See `_each`.

    It ends before `last` at a batch after which the loss is no finite number.
    """
    count = rows(pair)
    size = batch_size if count % batch_size == 0 else None
    step = _compiled(model, model.train_step)

    def batch_at(pair: Tensors, order: tf.Tensor, number: tf.Tensor) -> Tensors:
        with tf.device("CPU:0"):  # Else all the rows would be put on the GPU, to take these from them there.
            indices = order[number * batch_size : (number + 1) * batch_size]
            indices.set_shape([size])
            batch = keras.tree.map_structure(lambda tensor: tf.gather(tensor, indices), pair)
        return weighted_batch(batch, class_weight)

    names = list(settable(model.optimizer)) if model.optimizer is not None else []

    def train(
        first: tf.Tensor, last: tf.Tensor, pair: Tensors, order: tf.Tensor, scalars: tf.Tensor
    ) -> tuple[tf.Tensor, Logs]:
        with set_to(model.optimizer, names, scalars), fused(model.optimizer):
            return _each(step, lambda number: batch_at(pair, order, number), first, last, model if is_stock else None)

    order, scalars = tf.TensorSpec([None], tf.int64), tf.TensorSpec([len(names)], tf.float64)
    return _traced(train, model, [_COUNT, _COUNT, _specs(pair), order, scalars])


def trace_validation(model: keras.Model, pair: Tensors, batch_size: int, is_stock: bool) -> Graph:
    """A graph of `(first, last, pair)`. See `_each`."""
    size = batch_size if rows(pair) % batch_size == 0 else None
    step = _compiled(model, model.test_step)

    def part(tensor: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU:0"):
            some = tensor[number * batch_size : (number + 1) * batch_size]
        some.set_shape([size, *tensor.shape[1:]])
        return some

    def validate(first: tf.Tensor, last: tf.Tensor, pair: Tensors) -> tuple[tf.Tensor, Logs]:
        def batch_at(number: tf.Tensor) -> Tensors:
            return keras.tree.map_structure(lambda tensor: part(tensor, number), pair)

        return _each(step, batch_at, first, last, model if is_stock else None)

    return _traced(validate, model, [_COUNT, _COUNT, _specs(pair)])


def _compiled(model: keras.Model, step: Callable[[Tensors], Logs]) -> Any:
    """One batch, as Keras's own `make_train_function` compiles it."""

    @tf.autograph.experimental.do_not_convert
    def one_batch(batch: Tensors) -> Logs:
        return model.distribute_strategy.run(step, args=(batch,))

    return tf.function(one_batch, reduce_retracing=True, jit_compile=model.jit_compile)


def _each(
    step: Any,
    batch_at: Callable[[tf.Tensor], Tensors],
    first: tf.Tensor,
    last: tf.Tensor,
    resets: keras.Model | None,
) -> tuple[tf.Tensor, Logs]:
    """The steps from `first` to before `last`. At step 0 the metrics of the model `resets` begin anew, at a fraction of
    what that costs outside of a graph; only Keras's own metrics are sure to have all their state in variables."""
    if resets is not None:
        tf.cond(first == 0, lambda: _reset_metrics(resets), lambda: True)
    one = step.get_concrete_function(batch_at(first))
    nothing = tf.nest.map_structure(
        lambda log: tf.zeros([size or 0 for size in log.shape], log.dtype), one.structured_outputs
    )
    shapes = tf.nest.map_structure(lambda log: log.shape, one.structured_outputs)

    def goes_on(number: tf.Tensor, logs: Logs) -> tf.Tensor:
        loss = logs.get(LOSS) if isinstance(logs, dict) else None
        is_left = number < last
        has_loss = loss is not None and loss.shape.rank == 0 and loss.dtype.is_floating
        return is_left & tf.math.is_finite(loss) if has_loss else is_left

    def do(number: tf.Tensor, _: Logs) -> tuple[tf.Tensor, Logs]:
        return number + 1, one(batch_at(number))

    return tf.while_loop(goes_on, do, (first, nothing), shape_invariants=(first.shape, shapes), parallel_iterations=1)


def _reset_metrics(model: keras.Model) -> bool:
    model.reset_metrics()
    return True


def _traced(function: Callable[..., Any], model: keras.Model, specs: Sequence[Any]) -> Graph:
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    places = {id(variable.handle): place for place, variable in enumerate(state_of(model))}
    return Graph(concrete.inference_fn, [places.get(id(handle), handle) for handle in concrete.captured_inputs])


def _specs(pair: Tensors) -> Any:
    return keras.tree.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), pair)
