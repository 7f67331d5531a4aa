"""Data as `tf.data` pipelines that the study makes in each worker, and how `fit` reads them.

An epoch is one pass over the training dataset; with `steps_per_epoch`, that many batches of it, and where it ends it
begins again. The order of the rows is the pipeline's own.
"""

import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError
from orchestrator.study import Study
from orchestrator.training.batches import Feed
from orchestrator.training.data import Data, check_data, described, holds_dataset
from orchestrator.training.failures import BadStudy
from orchestrator.training.variables import no_rows

NAMES = ("train_dataset", "validation_dataset", "test_dataset")
SHAPE = "data() must return (train_dataset, validation_dataset), optionally with test_dataset, if tf.data.Datasets"


@dataclass(frozen=True, slots=True, eq=False)
class Pipelines:
    """Batched datasets of what `fit` takes: (x, y), (x, y, sample_weight) or what a `train_step` of its own expects."""

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset | None = None


def check_made(value: object) -> Data | Pipelines:
    """What `data` returned in a worker, for `fit`. UserError with a line for each way in which it is wrong."""
    if not holds_dataset(value):
        return check_data(value)
    parts = value if isinstance(value, (tuple, list)) else [value]
    if len(parts) not in (2, 3) or not all(isinstance(part, tf.data.Dataset) for part in parts):
        raise UserError(f"{SHAPE}; it returned {' and '.join(map(described, parts))}")
    problems = [problem for name, part in zip(NAMES, parts, strict=False) if (problem := _problem(name, part))]
    if problems:
        raise UserError("\n".join(f"data(): {problem}" for problem in problems))
    return Pipelines(*parts)


def _problem(name: str, dataset: tf.data.Dataset) -> str | None:
    if batches_in(dataset) == 0:
        return f"{name} is empty"
    shapes = [spec.shape for spec in tf.nest.flatten(dataset.element_spec) if hasattr(spec, "shape")]
    sizes = {shape[0] for shape in shapes if shape.rank} - {None}
    if len(sizes) > 1 or any(shape.rank == 0 for shape in shapes):
        elements = ", ".join(str(shape) for shape in shapes)
        return f"{name} has no batches but rows, of shape {elements}: make them of it with {name}.batch(32)"
    return None


def described_parts(data: Pipelines) -> Iterator[str]:
    """How many batches each has, and of what."""
    for name, dataset in zip(NAMES, (data.train, data.validation, data.test), strict=True):
        if dataset is not None:
            count = batches_in(dataset)
            endless = "batches without end" if count == tf.data.INFINITE_CARDINALITY else "batches"
            specs = tf.nest.flatten(dataset.element_spec)
            parts = ", ".join(f"{getattr(spec, 'shape', '')} {spec.dtype.name}" for spec in specs)
            yield f"{name}: {f'{count:,} batches' if count > 0 else endless} of {parts}"


def batches_in(dataset: tf.data.Dataset) -> int:
    """`tf.data.INFINITE_CARDINALITY` or `tf.data.UNKNOWN_CARDINALITY` where it is no number."""
    return int(dataset.cardinality())


def pipeline_feed(
    study: Study, configuration: Configuration, data: Pipelines, arguments: dict[str, Any], built: bool
) -> Feed:
    """What `fit` reads, as its arguments ask for.

    Args:
        built: The model knows the shape of its input.

    Raises:
        BadStudy: One of them has no meaning here, or an epoch no end.
    """
    if arguments.get("sample_weight") is not None:
        raise _mistake(study, "Study(fit=…) sets sample_weight: let the dataset give (x, y, sample_weight) instead")
    if arguments.get("validation_batch_size") is not None:
        raise _mistake(study, "Study(fit=…) sets validation_batch_size: let the validation dataset make such batches")
    if "batch_size" in configuration and not study.data_takes_configuration:
        raise _mistake(study, "batch_size is tuned, but data() makes the batches: let data(configuration) use it")
    steps = _steps(study, arguments, "steps_per_epoch", data.train)
    validation_steps = _steps(study, arguments, "validation_steps", data.validation)
    training, validation = _within_share(data.train), _within_share(data.validation)
    if tf.data.UNKNOWN_CARDINALITY in (batches_in(training), batches_in(validation)):
        # What Keras says at the first end of a dataset that did not tell its length.
        warnings.filterwarnings("ignore", "Your input ran out of data")
    return Feed(
        training=training if steps is None else training.repeat(),
        validation=validation if validation_steps is None else validation.take(validation_steps),
        steps=steps,
        inputs=_inputs(data.train, built),
        callbacks=[_SomeBatches(study)],
    )


def _steps(study: Study, arguments: dict[str, Any], name: str, dataset: tf.data.Dataset) -> int | None:
    value = arguments.get(name)
    if value is None:
        if batches_in(dataset) == tf.data.INFINITE_CARDINALITY:
            which = "training" if name == "steps_per_epoch" else "validation"
            raise _mistake(study, f"the {which} dataset has no end: give {name} in Study(fit=…), or leave out repeat()")
        return None
    try:
        steps = operator.index(value)
    except TypeError:
        steps = 0
    if steps < 1 or isinstance(value, bool):
        raise _mistake(study, f"Study(fit=…) sets {name}={value!r}: use a whole number of at least 1")
    return steps


def _mistake(study: Study, message: str) -> BadStudy:
    return BadStudy(message, study.data)


class _SomeBatches(keras.callbacks.Callback):
    """Of a dataset that did not tell its length: without a batch, every metric would be a perfect 0."""

    def __init__(self, study: Study) -> None:
        super().__init__()
        self._study = study
        self._seen = {"training": False, "validation": False}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._seen = dict.fromkeys(self._seen, False)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._seen["training"] = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._seen["validation"] = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, seen in self._seen.items():
            if not seen:
                raise _mistake(self._study, f"the {name} dataset gave no batch in epoch {epoch + 1}")


def _within_share(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """With as many threads as the worker has CPUs, unless the pipeline says how many."""
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    if not threads or dataset.options().threading.private_threadpool_size is not None:
        return dataset
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return dataset.with_options(options)


def _inputs(dataset: tf.data.Dataset, built: bool) -> Any:
    """As arrays without rows; of a model that is not built yet, also where only a batch tells their shape."""
    specs = _first(dataset.element_spec)
    if not built and not all(spec.shape[1:].is_fully_defined() for spec in tf.nest.flatten(specs)):
        return no_rows(tf.nest.map_structure(_dense, _first(next(iter(dataset)))))
    return no_rows(tf.nest.map_structure(_row_of_some_shape, specs))


def _first(element: Any) -> Any:
    """A batch's inputs."""
    return element[0] if isinstance(element, tuple) else element


def _dense(tensor: Any) -> Any:
    return tensor.to_tensor() if isinstance(tensor, tf.RaggedTensor) else tensor


def _row_of_some_shape(spec: Any) -> tf.TensorSpec:
    sizes = spec.shape[1:].as_list() if spec.shape.rank else []
    return tf.TensorSpec([0, *(size or 1 for size in sizes)], spec.dtype)
