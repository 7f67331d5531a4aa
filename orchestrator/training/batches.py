"""Data as `fit` reads it: the order of an epoch is a pure function of (seed, epoch).

So a resumed trial sees the batches that an unbroken one would have seen, on whichever worker. Training batches
are one endless stream and validation batches a pipeline without functions, because starting a pipeline of mapped
functions costs some 50 ms, which `fit` would otherwise pay in every epoch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from orchestrator.training.data import Data
from orchestrator.training.session import short_seed

Tensors = Any
"""(x, y) or (x, y, sample_weight): tensors or dicts of them, equally long."""

VALIDATION_BATCHES_IN_ONE = 8
VALIDATION_BYTES = 2**20

_tensors: WeakKeyDictionary[Data, tuple[Tensors, Tensors]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TrainingStream:
    dataset: tf.data.Dataset
    steps: int
    """Batches in an epoch, the last one partial if need be."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What `fit` reads, and what belongs to that."""

    training: tf.data.Dataset
    validation: tf.data.Dataset
    steps: int | None
    """Batches in an epoch, out of a training dataset without end; None where its end is the epoch's."""
    inputs: Any
    """Arrays without rows, of the shape and type of a batch's inputs."""
    callbacks: Sequence[keras.callbacks.Callback] = ()

    @property
    def batches(self) -> int | None:
        """In an epoch, as far as it is known."""
        count = int(self.training.cardinality()) if self.steps is None else self.steps
        return None if count < 0 else count


def tensors(data: Data) -> tuple[Tensors, Tensors]:
    """Training and validation pairs in TensorFlow's memory, once per worker."""
    if data not in _tensors:
        _tensors[data] = (to_tensors(data.train), to_tensors(data.validation))
    return _tensors[data]


def to_tensors(arrays: Any) -> Tensors:
    """Floats as Keras casts the arrays it is given itself; in main memory, a GPU's is for models."""
    with tf.device("CPU:0"):
        return keras.tree.map_structure(_to_tensor, arrays)


def _to_tensor(array: Any) -> tf.Tensor:
    array = np.asarray(array)
    return tf.convert_to_tensor(array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array)


def rows(pair: Tensors) -> int:
    return int(keras.tree.flatten(pair)[0].shape[0])


def epoch_order(count: int, seed: int, epoch: int | tf.Tensor, shuffle: bool) -> tf.Tensor:
    """The rows of an epoch, counted from 1, as they are read."""
    with tf.device("CPU:0"):
        order = tf.range(count, dtype=tf.int64)
        if not shuffle:
            return order
        key = tf.stack([tf.constant(short_seed(seed), tf.int64), tf.cast(epoch, tf.int64)])
        return tf.random.experimental.stateless_shuffle(order, seed=key, alg="philox")


def training_stream(pair: Tensors, batch_size: int, seed: int, after_epoch: int, shuffle: bool) -> TrainingStream:
    """All epochs from `after_epoch` on, one after the other, without end."""
    count = rows(pair)
    steps = math.ceil(count / batch_size)
    static_size = batch_size if count % batch_size == 0 else None

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = epoch_order(count, seed, epoch, shuffle)

        def batch(step: tf.Tensor) -> Tensors:
            indices = order[step * batch_size : (step + 1) * batch_size]
            indices.set_shape([static_size])
            return keras.tree.map_structure(lambda tensor: tf.gather(tensor, indices), pair)

        return tf.data.Dataset.range(steps).map(batch)

    with tf.device("CPU:0"):
        stream = tf.data.Dataset.counter(start=after_epoch + 1).flat_map(batches_of).prefetch(2)
        return TrainingStream(stream.with_options(_options()), steps)


def validation_batches(pair: Tensors, batch_size: int) -> tf.data.Dataset:
    count = rows(pair)
    size = min(batch_size, count)
    full = count // size

    def stacked(tensor: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tensor[: full * size], [full, size, *tensor.shape[1:]])

    with tf.device("CPU:0"):
        batches = tf.data.Dataset.from_tensor_slices(keras.tree.map_structure(stacked, pair))
        if count % size:
            rest = keras.tree.map_structure(lambda tensor: tensor[full * size :], pair)
            batches = batches.concatenate(tf.data.Dataset.from_tensors(rest))
        return batches.with_options(_options())


def validation_batch_size(pair: Tensors, batch_size: int) -> int:
    """Without gradients a batch needs a fraction of the memory, and fewer batches are faster.

    Bounded by the bytes of its input, so that large rows, which mean large activations, stay as in training.
    """
    inputs = keras.tree.flatten(pair[0])
    row_bytes = sum(tensor.dtype.size * math.prod(tensor.shape[1:]) for tensor in inputs)
    return max(batch_size, min(VALIDATION_BATCHES_IN_ONE * batch_size, VALIDATION_BYTES // max(1, row_bytes)))


def _options() -> tf.data.Options:
    """A small pipeline over memory: nothing to tune or to rewrite, and no threads beyond the worker's share."""
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
