"""Trains a study's model as `fit` does, callback by callback, with many batches in each call of a compiled graph.

An epoch runs in parts of about half a second, so that a stop, a pause and a checkpoint need not wait for its end.
"""

import math
from typing import Any

import keras
import tensorflow as tf
from keras.src.utils.python_utils import is_default, pythonify_logs

from orchestrator.training import graph_cache
from orchestrator.training.attempt import LOSS, Attempt
from orchestrator.training.batches import epoch_order, rows
from orchestrator.training.fit import end_epoch
from orchestrator.training.fit_keeper import FitKeeper
from orchestrator.training.graph_cache import Graphs
from orchestrator.training.graphs import rewrite_graphs, scalars_of, state_of
from orchestrator.training.link import Diverged, Ending
from orchestrator.training.prepared import Prepared
from orchestrator.training.structure import has_stock_callbacks, structure_of
from orchestrator.training.variables import no_rows

Logs = dict[str, Any]

BATCH_HOOKS = [
    f"on_{batch}_{moment}" for batch in ("batch", "train_batch", "test_batch") for moment in ("begin", "end")
]


class NotTraceable(Exception):
    """The model cannot be trained so; `fit` may be able to."""


def obstacle(prepared: Prepared) -> str | None:
    """Why a trial cannot be trained so."""
    model = prepared.model
    if model.run_eagerly or tf.config.functions_run_eagerly():
        return "the model runs eagerly"
    if tf.distribute.has_strategy() or model._distribute_strategy is not None:
        return "the model is distributed"
    for method in ("fit", "evaluate", "make_train_function", "make_test_function"):
        if getattr(type(model), method) is not getattr(keras.Model, method):
            return f"{type(model).__name__} has a {method} of its own"
    per_batch = [type(callback).__name__ for callback in prepared.callbacks if _acts_on_batches(callback)]
    return f"{per_batch[0]} acts on every batch" if per_batch else None


def _acts_on_batches(callback: keras.callbacks.Callback) -> bool:
    if isinstance(callback, keras.callbacks.TerminateOnNaN):
        return False  # A trial whose loss is no number ends anyway.
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return bool(callback.save_freq != "epoch")
    return not all(is_default(getattr(callback, hook)) for hook in BATCH_HOOKS)


def train_compiled(prepared: Prepared, attempt: Attempt) -> Ending:
    """Train from where the assignment says.

    Raises:
        NotTraceable: Nothing was trained and nothing reported.
    """
    rewrite_graphs(always=False)
    try:
        return _Training(prepared, attempt).run()
    finally:
        rewrite_graphs(always=True)


class _EpochEnd(keras.callbacks.Callback):
    """After the study's own callbacks: sees what they log."""

    def __init__(self, attempt: Attempt, keeper: FitKeeper) -> None:
        super().__init__()
        self._attempt = attempt
        self._keeper = keeper

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        end_epoch(self.model, self._attempt, self._keeper, epoch + 1, logs or {})


class _Training:
    def __init__(self, prepared: Prepared, attempt: Attempt) -> None:
        self._prepared = prepared
        self._attempt = attempt
        self._model = prepared.model
        self._graphs: Graphs | None = None
        self._variables: list[tf.Variable] = []
        self._scalars: tf.Tensor = None
        """What is settable, as of when the graph is taken: as `fit`, it does not see what callbacks set later."""
        self._steps = math.ceil(rows(prepared.training) / prepared.batch_size)
        self._keeper = FitKeeper(self._model, prepared.callbacks, no_rows(prepared.training[0]), attempt)

    def run(self) -> Ending:
        attempt, model, assignment = self._attempt, self._model, self._attempt.assignment
        self._build()
        epochs = assignment.max_epochs
        own = [*self._prepared.callbacks, _EpochEnd(attempt, self._keeper)]
        callbacks = keras.callbacks.CallbackList(
            own, add_history=True, model=model, verbose=0, epochs=epochs, steps=self._steps
        )
        model.stop_training = False
        callbacks.on_train_begin()
        start = None if assignment.start is None else attempt.link.load(assignment.start)
        if start is not None:
            self._keeper.restore(start)
        logs: Logs | None = None
        for epoch in range(assignment.after_epoch, epochs):
            attempt.begin_epoch(epoch + 1)
            callbacks.on_epoch_begin(epoch)
            if start is not None and self._keeper.step:
                self._keeper.restore(start)  # Once more: it was saved after that.
            start = None
            logs = self._epoch(epoch + 1, callbacks)
            if attempt.ending is not None:
                break
        if model.optimizer is not None:
            model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end(logs)
        assert attempt.ending is not None
        return attempt.ending

    def _epoch(self, epoch: int, callbacks: keras.callbacks.CallbackList) -> Logs | None:
        """Its logs; None if training ended within it."""
        graphs = self._ready()
        if not self._train(graphs, epoch):
            return None
        callbacks.on_test_begin()
        if (validated := self._validate(graphs)) is None:
            return None
        callbacks.on_test_end(validated)
        logs = {**self._keeper.logs, **{f"val_{name}": value for name, value in validated.items()}}
        callbacks.on_epoch_end(epoch - 1, logs)
        return logs

    def _train(self, graphs: Graphs, epoch: int) -> bool:
        """What is left of an epoch's batches. False if training ended within it."""
        prepared, seed = self._prepared, self._attempt.assignment.seed
        order = epoch_order(rows(prepared.training), seed, epoch, prepared.shuffle)
        step = self._keeper.step or 0
        if step == 0 and not graphs.is_stock:
            self._model.reset_metrics()
        while step < self._steps:
            last = min(self._steps, step + graphs.training.part)
            step, logs = graphs.training.run(self._variables, step, last, prepared.training, order, self._scalars)
            self._attempt.has_trained = True
            self._keeper.at_step(step, self._told(graphs, logs))
            if not math.isfinite(loss := self._keeper.logs.get(LOSS, 0.0)):
                self._attempt.ending = Diverged(epoch, f"{LOSS} became {loss} in epoch {epoch}, batch {step}")
            if self._ends_here():
                return False
            self._attempt.save_if_due(self._keeper)
        return True

    def _validate(self, graphs: Graphs) -> Logs | None:
        """The metrics of the validation rows. None if training ended meanwhile."""
        prepared = self._prepared
        steps = math.ceil(rows(prepared.validation) / prepared.validation_batch_size)
        steps = min(steps, prepared.validation_steps or steps)
        if not graphs.is_stock:
            self._model.reset_metrics()
        step, logs = 0, Logs()
        while step < steps:
            last = min(steps, step + graphs.validation.part)
            step, logs = graphs.validation.run(self._variables, step, last, prepared.validation)
            if step < steps and self._ends_here():
                return None
        return self._told(graphs, logs)

    def _told(self, graphs: Graphs, logs: Logs) -> Logs:
        told: Logs = pythonify_logs(logs if graphs.is_stock else self._model._get_metrics_result_or_logs(logs))
        return told

    def _ends_here(self) -> bool:
        if self._attempt.ending is None:
            match self._attempt.interruption():
                case "stop":
                    self._attempt.stop(self._keeper)
                case "pause":
                    self._attempt.pause(self._keeper)
        return self._attempt.ending is not None

    def _build(self) -> None:
        """Where no callback of the study's own can change the model any more, known graphs are taken here already."""
        with self._attempt.link.during("build"):
            structure = structure_of(self._prepared) if has_stock_callbacks(self._prepared) else None
            known = graph_cache.find(structure)
            try:
                graph_cache.build(self._prepared, known)
            except Exception as error:
                raise NotTraceable(f"{type(error).__name__}: {error}") from error
        if known is not None and graph_cache.fits(known, self._model):
            self._take(known, structure, reused=True)

    def _ready(self) -> Graphs:
        """The graphs, from the first epoch's beginning on."""
        if self._graphs is not None:
            return self._graphs
        structure = structure_of(self._prepared)
        known = graph_cache.find(structure)
        if known is not None and graph_cache.fits(known, self._model):
            return self._take(known, structure, reused=True)
        with self._attempt.link.during("trace"):
            try:
                return self._take(graph_cache.trace(self._prepared, structure), structure, reused=False)
            except Exception as error:
                raise NotTraceable(f"{type(error).__name__}: {error}") from error

    def _take(self, graphs: Graphs, structure: str | None, reused: bool) -> Graphs:
        self._graphs, self._variables, self._scalars = graphs, state_of(self._model), scalars_of(self._model)
        if structure is not None:
            self._attempt.link.built(structure, reused)
        return graphs
