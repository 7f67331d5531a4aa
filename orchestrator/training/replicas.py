"""Trains a model on all GPUs of its worker, so that the result is that of one GPU, to rounding.

TensorFlow keeps a copy of the model on each GPU (`MirroredStrategy`); what it and Keras do beyond that is right for
batches whose parts are equally large, and here they need not be:

- A batch is cut into one part for each copy, whose sizes differ by one row at most. The gradient of a part counts by
  its share of the rows, as the loss of the whole batch, which is a mean over rows, says.
- Of a batch that has fewer rows than there are copies, each copy gets all, for an empty part has no mean. That of the
  first alone counts.
- The gradients are summed before they are clipped, and looked at for overflow where the precision is mixed. Keras clips
  the part of each copy, which is to say at another norm.
- `BatchNormalization` uses the mean and the variance of the whole batch.
- The copies' random generators (of Keras: dropout, augmentation) draw apart. That of the first draws as on one GPU.
"""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.trainers.data_adapters.tf_dataset_adapter import make_class_weight_map_fn

from orchestrator.training.variables import optimizers

PART, SHARE = "part of a batch", "share of the batch, times the number of parts"
APART = 2_654_435_761
"""Between the seeds of two copies: not to be met by seeds that count up."""


def devices() -> tuple[str, ...]:
    """Those of this process to train on, if there are several."""
    return tuple(device.name for device in tf.config.list_logical_devices("GPU"))


@cache
def _strategy(names: tuple[str, ...]) -> tf.distribute.Strategy:
    """One for all trials: it holds what the GPUs talk through."""
    return tf.distribute.MirroredStrategy(names)


def strategy() -> tf.distribute.Strategy:
    """TensorFlow's default one, which does nothing, where there are not several GPUs."""
    names = devices()
    return _strategy(names) if len(names) > 1 else tf.distribute.get_strategy()


def scope() -> AbstractContextManager[Any]:
    """In which a model is to be built and compiled."""
    return strategy().scope() if len(devices()) > 1 else nullcontext()


def is_distributed(model: keras.Model) -> bool:
    """By us; a strategy of the study's own is Keras's affair."""
    return len(devices()) > 1 and model._distribute_strategy is strategy()


def obstacle(model: keras.Model) -> str | None:
    """Why it cannot be trained so: what Keras does within a branch of the graph, where the copies cannot meet."""
    for optimizer in _outermost(model):
        for leaf in _leaves(optimizer):
            for name in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
                if getattr(leaf, name, None):
                    return (
                        f"the optimizer sets {name}, which Keras cannot do on several GPUs: leave it out, or use "
                        "--gpus-per-trial 1"
                    )
    return None


def distribute(
    model: keras.Model,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    class_weight: dict[int, float] | None,
) -> tuple[Any, Any]:
    """Make a model that was built in `scope` ready for `fit`, and what that is to read instead of the batches."""
    # What Keras says at the end of an epoch's parts, which it cannot count.
    warnings.filterwarnings("ignore", "Your input ran out of data")
    if class_weight is not None:
        training = training.map(make_class_weight_map_fn(class_weight))
    with strategy().scope():
        model._symbolic_build(data_batch=next(iter(training.take(1))))
        generator = seed_generator.global_seed_generator()
    model._maybe_symbolic_build = _built
    model.steps_per_execution = 1  # Keras's graph of several batches does not run with parts of batches.
    shares = threading.local()
    model.train_step = _on_part(model, model.train_step, shares, generator)
    model.test_step = _on_part(model, model.test_step, shares, generator)
    for optimizer in _outermost(model):
        _weigh_by_share(optimizer, shares)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    return _in_parts(training), _in_parts(validation)


def _built(**_: Any) -> None:
    """In place of what Keras does as `fit` begins: take the mean of a batch's parts, to know the shape of a batch."""


def draw_apart(model: keras.Model) -> None:
    """As an epoch begins: from the first copy's random state, which is all that checkpoints hold."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "_seed_generators")]
    generators = [generator for layer in layers for generator in layer._seed_generators]
    for generator in {id(item): item for item in [*generators, seed_generator.global_seed_generator()]}.values():
        first, *others = strategy().experimental_local_results(generator.state.value)
        for place, state in enumerate(others, 1):
            state.assign(first + tf.constant([place * APART, 0], first.dtype))


def _in_parts(batches: tf.data.Dataset) -> Any:
    """For each batch one part for each copy."""
    count = strategy().num_replicas_in_sync
    is_tuple = isinstance(batches.element_spec, tuple)

    def parts(*given: Any) -> tf.data.Dataset:
        batch = given if is_tuple else given[0]
        return tf.data.Dataset.range(count).map(lambda place: _part(batch, place, count))

    return strategy().distribute_datasets_from_function(lambda _: batches.flat_map(parts))


def _part(batch: Any, place: tf.Tensor, count: int) -> dict[str, Any]:
    rows = tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]
    begin, end = rows * place // count, rows * (place + 1) // count
    share = tf.cast((end - begin) * count, tf.float64) / tf.cast(rows, tf.float64)
    few = rows < count
    begin, end = tf.where(few, tf.zeros_like(begin), begin), tf.where(few, rows, end)
    share = tf.where(few, tf.cast(tf.where(place == 0, count, 0), tf.float64), share)
    return {PART: tf.nest.map_structure(lambda tensor: _rows(tensor, begin, end), batch), SHARE: share}


def _rows(tensor: Any, begin: tf.Tensor, end: tf.Tensor) -> Any:
    if not isinstance(tensor, tf.SparseTensor):
        return tensor[begin:end]
    others = tensor.dense_shape[1:]
    start, size = tf.concat([[begin], tf.zeros_like(others)], 0), tf.concat([[end - begin], others], 0)
    return tf.sparse.slice(tensor, start, size)


def _on_part(
    model: keras.Model, step: Callable[[Any], Any], shares: threading.local, generator: keras.random.SeedGenerator
) -> Callable[[Any], Any]:
    """A step of the model's, which its optimizers count by its share, and its metrics if that is above 0."""

    def step_on_part(data: Any) -> Any:
        if not isinstance(data, dict) or set(data) != {PART, SHARE}:
            return step(data)  # As when a callback evaluates the model on other data.
        shares.value = data[SHARE]
        # Keras has one for each thread, and each copy's step is traced in a thread of its own.
        global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, generator)
        before = [tf.identity(variable.value) for variable in model.metrics_variables]
        logs = step(data[PART])
        for variable, value in zip(model.metrics_variables, before, strict=False):
            variable.assign(tf.where(shares.value > 0, variable.value, value))
        return logs

    return step_on_part


def _weigh_by_share(optimizer: keras.optimizers.Optimizer, shares: threading.local) -> None:
    """The loss that it takes gradients of, which it sums over the copies before anything else."""
    scale_loss, apply = optimizer.scale_loss, optimizer.apply

    def scale_by_share(loss: Any) -> Any:
        share = getattr(shares, "value", None)
        return scale_loss(loss if share is None else loss * tf.cast(share, loss.dtype))

    def apply_sum(grads: Sequence[Any], trainable_variables: Any = None) -> None:
        given = [gradient for gradient in grads if gradient is not None]
        copies = tf.distribute.get_replica_context()
        summed = iter(copies.all_reduce(tf.distribute.ReduceOp.SUM, given) if given else [])
        apply([None if gradient is None else next(summed) for gradient in grads], trainable_variables)

    optimizer.scale_loss, optimizer.apply = scale_by_share, apply_sum
    for leaf in _leaves(optimizer):
        leaf._all_reduce_sum_gradients = list


def _outermost(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Each once, whatever attributes it is in, and none that another hands its gradients to."""
    found = {id(optimizer): optimizer for _, optimizer in optimizers(model)}
    inner = {id(leaf) for optimizer in found.values() for leaf in _leaves(optimizer) if leaf is not optimizer}
    return [optimizer for key, optimizer in found.items() if key not in inner]


def _leaves(optimizer: keras.optimizers.Optimizer) -> Iterator[keras.optimizers.Optimizer]:
    """It, or those that it hands gradients to."""
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        inner = list(optimizer.optimizers)
    else:
        inner = [getattr(optimizer, "inner_optimizer", None)]
    for item in inner:
        if isinstance(item, keras.optimizers.Optimizer):
            yield from _leaves(item)
    if not any(isinstance(item, keras.optimizers.Optimizer) for item in inner):
        yield optimizer
