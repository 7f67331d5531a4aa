"""Trains a study's model with Keras's own `fit`: one call from the first epoch to the last."""

import copy
import inspect
import math
import operator
from typing import Any

import keras

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError, nearest
from orchestrator.study import OWN_FIT_ARGUMENTS, Study
from orchestrator.training import batches
from orchestrator.training.attempt import LOSS, Attempt, number
from orchestrator.training.data import Data
from orchestrator.training.failures import BadStudy
from orchestrator.training.fit_keeper import FitKeeper
from orchestrator.training.link import Diverged, Ending
from orchestrator.training.models import build_model
from orchestrator.training.session import begin_trial
from orchestrator.training.variables import no_rows

FitArguments = dict[str, Any]

SECONDS_TO_FINISH_AN_EPOCH = 1.0
"""An urgent pause waits for the end of an epoch as short as this. Of a trial with longer ones a copy is kept in memory
at each epoch's end, so that it can leave at any batch; shorter ones are spared the time and memory for that."""


def train_by_fit(study: Study, data: Data, attempt: Attempt) -> Ending:
    assignment = attempt.assignment
    begin_trial(assignment.seed)
    model = build_model(study, assignment.configuration)
    arguments = _fit_arguments(study, assignment.configuration)
    own = arguments.pop("callbacks")
    batch_size = _batch_size(study, assignment.configuration)
    training, validation = batches.tensors(data)
    validation_size = arguments.pop("validation_batch_size") or batches.validation_batch_size(training, batch_size)
    weighted = _weighted(training, arguments.pop("sample_weight"))
    shuffle = arguments.pop("shuffle")
    stream = batches.training_stream(weighted, batch_size, assignment.seed, assignment.after_epoch, shuffle)
    # The stream has no end, so an execution must not run over that of an epoch.
    model.steps_per_execution = math.gcd(model.steps_per_execution, stream.steps)
    keeper = FitKeeper(model, own, no_rows(training[0]), attempt)
    callbacks = keras.callbacks.CallbackList(
        [_EpochBegin(attempt, keeper), *own, _EpochEnd(attempt, keeper)],
        add_history=True,
        model=model,
        verbose=0,
        epochs=assignment.max_epochs,
        steps=stream.steps,
    )
    try:
        model.fit(
            stream.dataset,
            validation_data=batches.validation_batches(validation, validation_size),
            epochs=assignment.max_epochs,
            initial_epoch=assignment.after_epoch,
            steps_per_epoch=stream.steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
            **arguments,
        )
    except _EndedWithinEpoch:
        callbacks.on_train_end()
    assert attempt.ending is not None
    return attempt.ending


class _EndedWithinEpoch(BaseException):
    """Leaves `fit` at a batch; not for `except Exception` in a train step of the user's own."""


class _EpochBegin(keras.callbacks.Callback):
    """Before the user's callbacks, so that what they draw and the time they take belong to the epoch."""

    def __init__(self, attempt: Attempt, keeper: FitKeeper) -> None:
        super().__init__()
        self._attempt = attempt
        self._keeper = keeper

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._attempt.begin_epoch(epoch + 1)
        self._keeper.begin_epoch()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._attempt.has_trained = True


class _EpochEnd(keras.callbacks.Callback):
    """After the user's callbacks: undoes what they set where a trial is resumed, and sees what they log."""

    def __init__(self, attempt: Attempt, keeper: FitKeeper) -> None:
        super().__init__()
        self._attempt = attempt
        self._keeper = keeper

    def on_train_begin(self, logs: Any = None) -> None:
        start = self._attempt.assignment.start
        if start is not None:
            self._keeper.restore(self._attempt.link.load(start))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get(LOSS, 0.0)
        if not math.isfinite(loss):
            epoch = self._attempt.epoch + 1
            reason = f"{LOSS} became {loss} in epoch {epoch}, batch {batch + 1}"
            self._attempt.ending = Diverged(epoch, reason)
            raise _EndedWithinEpoch
        self._end_if_asked()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._end_if_asked()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        found = {name: number(value) for name, value in (logs or {}).items()}
        metrics = {name: value for name, value in found.items() if value is not None}
        score = self._attempt.report(epoch + 1, metrics)
        self._keeper.end_epoch()
        if self._attempt.ending is None:
            self._keeper.note(epoch + 1, score)
        self._attempt.decide(self._keeper, ended_by_itself=bool(self.model.stop_training))
        self.model.stop_training = self._attempt.ending is not None
        if self._attempt.ending is None and self._attempt.epoch_seconds >= SECONDS_TO_FINISH_AN_EPOCH:
            self._keeper.copy_whole()

    def _end_if_asked(self) -> None:
        interruption = self._attempt.interruption()
        if interruption == "stop":
            self._attempt.stop(self._keeper)
            raise _EndedWithinEpoch
        if interruption == "pause" and self._keeper.loses_nothing:
            self._attempt.pause(self._keeper)
            raise _EndedWithinEpoch


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
    return {"sample_weight": None, "validation_batch_size": None, **given}


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
