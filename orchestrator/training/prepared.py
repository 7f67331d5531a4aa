"""All that training a trial with Keras needs: the model, and what `fit` would be given."""

import copy
import inspect
import operator
from dataclasses import dataclass
from typing import Any

import keras

from orchestrator.assignment import Assignment, Configuration
from orchestrator.errors import UserError, nearest
from orchestrator.study import OWN_FIT_ARGUMENTS, Study
from orchestrator.training import batches, replicas
from orchestrator.training.batches import Feed
from orchestrator.training.data import Data
from orchestrator.training.failures import BadStudy
from orchestrator.training.models import build_model
from orchestrator.training.pipelines import Pipelines, pipeline_feed
from orchestrator.training.session import begin_trial
from orchestrator.training.variables import no_rows

FitArguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    model: keras.Model
    callbacks: list[keras.callbacks.Callback]
    """The study's own."""
    training: batches.Tensors
    """(x, y) or (x, y, sample_weight)."""
    validation: batches.Tensors
    batch_size: int
    validation_batch_size: int
    validation_steps: int | None
    """Batches; None for all."""
    shuffle: bool
    class_weight: dict[int, float] | None


@dataclass(frozen=True, slots=True)
class PreparedPipelines:
    """The same where the data are pipelines of the study's own, which only `fit` reads."""

    model: keras.Model
    callbacks: list[keras.callbacks.Callback]
    feed: Feed
    class_weight: dict[int, float] | None


def prepare(study: Study, data: Data, assignment: Assignment, keep_kernels: bool = False) -> Prepared:
    """Begins a trial: global state (see `begin_trial`), the model with its first weights, callbacks of its own."""
    configuration = assignment.configuration
    begin_trial(assignment.seed, keep_kernels)
    with replicas.scope():
        model = build_model(study, configuration)
    arguments = _fit_arguments(study, configuration)
    if arguments.get("steps_per_epoch") is not None:
        raise BadStudy("Study(fit=…) sets steps_per_epoch, which is for tf.data pipelines: an epoch is all rows")
    batch_size = _batch_size(study, configuration)
    training, validation = batches.tensors(data)
    return Prepared(
        model=model,
        callbacks=arguments["callbacks"],
        training=_weighted(training, arguments.get("sample_weight")),
        validation=validation,
        batch_size=batch_size,
        validation_batch_size=(
            arguments.get("validation_batch_size") or batches.validation_batch_size(training, batch_size)
        ),
        validation_steps=arguments.get("validation_steps"),
        shuffle=arguments["shuffle"],
        class_weight=arguments.get("class_weight"),
    )


def prepare_pipelines(study: Study, data: Pipelines, assignment: Assignment) -> PreparedPipelines:
    """As `prepare`."""
    configuration = assignment.configuration
    begin_trial(assignment.seed)
    with replicas.scope():
        model = build_model(study, configuration)
    arguments = _fit_arguments(study, configuration)
    feed = pipeline_feed(study, configuration, data, arguments, built=model.built)
    return PreparedPipelines(model, arguments["callbacks"], feed, arguments.get("class_weight"))


def array_feed(prepared: Prepared, assignment: Assignment) -> Feed:
    """What `fit` reads of arrays."""
    stream = batches.training_stream(
        prepared.training, prepared.batch_size, assignment.seed, assignment.after_epoch, prepared.shuffle
    )
    validation = batches.validation_batches(prepared.validation, prepared.validation_batch_size)
    return Feed(
        training=stream.dataset,
        validation=validation if prepared.validation_steps is None else validation.take(prepared.validation_steps),
        steps=stream.steps,
        inputs=no_rows(prepared.training[0]),
    )


def _fit_arguments(study: Study, configuration: Configuration) -> FitArguments:
    """BadStudy for what `fit` does not know and for what would not do what it says here."""
    try:
        given = study.fit_arguments(configuration)
    except UserError as error:
        raise BadStudy(str(error)) from None
    known = set(inspect.signature(keras.Model.fit).parameters) - {"self", *OWN_FIT_ARGUMENTS}
    if unknown := sorted(set(given) - known):
        raise BadStudy(f"Study(fit=…) names {unknown[0]}, which fit does not take{nearest(unknown[0], known)}")
    if given.pop("validation_split", None):
        raise BadStudy("Study(fit=…) sets validation_split: split in data(), which returns the validation pair")
    if given.pop("validation_freq", 1) != 1:
        raise BadStudy("Study(fit=…) sets validation_freq: every epoch is validated, leave it out")
    if (shuffle := given.setdefault("shuffle", True)) not in (True, False):
        raise BadStudy(f"Study(fit=…) sets shuffle={shuffle!r}: use True or False")
    given["callbacks"] = _callbacks(given.get("callbacks"), shared=not callable(study.fit))
    return given


def _callbacks(given: Any, shared: bool) -> list[keras.callbacks.Callback]:
    """Each trial has its own: those of a dict serve every trial of the process, so it gets copies."""
    callbacks = list(keras.tree.flatten(given)) if given is not None else []
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise BadStudy(f"Study(fit=…) has a {type(callback).__name__} among the callbacks: use Keras callbacks")
    if not shared:
        return callbacks
    try:
        return copy.deepcopy(callbacks)
    except Exception as error:
        raise BadStudy(
            f"the callbacks of Study(fit=…) cannot be copied for each trial ({error}): "
            "give fit as a function of the configuration that makes them"
        ) from error


def _batch_size(study: Study, configuration: Configuration) -> int:
    value = configuration.get("batch_size", study.batch_size)
    try:
        size = operator.index(value)
    except TypeError:
        size = 0
    if size < 1 or isinstance(value, bool):
        raise BadStudy(f"batch_size is {value!r}: use a whole number of at least 1, such as Int or Choice gives")
    return size


def _weighted(training: batches.Tensors, sample_weight: Any) -> batches.Tensors:
    if sample_weight is None:
        return training
    weights = batches.to_tensors(sample_weight)
    count, given = batches.rows(training), batches.rows(weights)
    if given != count:
        raise BadStudy(f"Study(fit=…) gives {given} sample weights for {count} training rows")
    x, y = training
    if isinstance(y, dict) and not isinstance(weights, dict):
        weights = dict.fromkeys(y, weights)
    return x, y, weights
