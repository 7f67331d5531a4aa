"""Trains a study's model with Keras's own `fit`: one call from the first epoch to the last."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from orchestrator.training import replicas
from orchestrator.training.attempt import LOSS, Attempt, number
from orchestrator.training.batches import Feed
from orchestrator.training.fit_keeper import FitKeeper
from orchestrator.training.link import Diverged, Ending
from orchestrator.training.prepared import Prepared, PreparedPipelines

SECONDS_TO_FINISH_AN_EPOCH = 1.0
"""An urgent pause waits for the end of an epoch as short as this. Of a trial with longer ones a copy is kept in memory
at each epoch's end, so that it can leave at any batch; shorter ones are spared the time and memory for that."""


def train_by_fit(prepared: Prepared | PreparedPipelines, feed: Feed, attempt: Attempt) -> Ending:
    assignment, model, own = attempt.assignment, prepared.model, prepared.callbacks
    if feed.steps is not None:
        # The training dataset has no end, so an execution must not run over that of an epoch.
        model.steps_per_execution = math.gcd(model.steps_per_execution, feed.steps)
    training, validation, class_weight = feed.training, feed.validation, prepared.class_weight
    if replicas.is_distributed(model):
        if problem := replicas.obstacle(model):
            raise attempt.mistake(problem)
        training, validation = replicas.distribute(model, training, validation, class_weight)
        class_weight = None
    keeper = FitKeeper(model, own, feed.inputs, attempt)
    callbacks = keras.callbacks.CallbackList(
        [_EpochBegin(attempt, keeper), *feed.callbacks, *own, _EpochEnd(attempt, keeper)],
        add_history=True,
        model=model,
        verbose=0,
        epochs=assignment.max_epochs,
        steps=feed.batches,
    )
    try:
        model.fit(
            training,
            validation_data=validation,
            class_weight=class_weight,
            epochs=assignment.max_epochs,
            initial_epoch=assignment.after_epoch,
            steps_per_epoch=feed.steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
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
        self._keeper.at_step(None)
        if replicas.is_distributed(self.model):
            replicas.draw_apart(self.model)

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
            self._keeper.restore(self._attempt.link.load(start), whole_epochs=True)

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
        end_epoch(self.model, self._attempt, self._keeper, epoch + 1, logs or {})
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


def end_epoch(model: keras.Model, attempt: Attempt, keeper: FitKeeper, epoch: int, logs: Mapping[str, Any]) -> None:
    """Report it and decide what follows, once the study's own callbacks have seen it."""
    found = {name: number(value) for name, value in logs.items()}
    score = attempt.report(epoch, {name: value for name, value in found.items() if value is not None})
    keeper.end_epoch()
    if attempt.ending is None:
        keeper.note(epoch, score)
    attempt.decide(keeper, ended_by_itself=bool(model.stop_training))
    model.stop_training = attempt.ending is not None
