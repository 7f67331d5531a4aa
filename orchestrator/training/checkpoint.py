"""Whole checkpoints of trials that `fit` trains, and the best epoch's model out of any checkpoint.

One file holds weights, the states of random generators and optimizers, what callbacks remember, and the best epoch's
weights where that is another epoch. The data's order needs nothing: it is a function of (seed, epoch).
"""

import hashlib
from collections.abc import Sequence

import keras

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.study import Study
from orchestrator.training.callback_state import callback_states, set_callback_states
from orchestrator.training.data import Arrays
from orchestrator.training.models import build_model, keras_file
from orchestrator.training.packing import Tree, pack, unpack
from orchestrator.training.progress import Progress
from orchestrator.training.session import begin_trial, global_randomness, set_global_randomness
from orchestrator.training.variables import (
    Values,
    build_weights,
    layer_state,
    optimizer_state,
    optimizers,
    set_layer_state,
    set_optimizer_state,
    set_values,
    values,
)


def describe(
    assignment: Assignment, epoch: int, best_epoch: int, content: bytes, best_alone: bool = False
) -> Checkpoint:
    """No two files of a trial share a name: one that is committed is never written over."""
    name = f"trial-{assignment.trial}-attempt-{assignment.attempt}-epoch-{epoch}"
    return Checkpoint(
        name=f"{name}-best.npz" if best_alone else f"{name}.npz",
        trial=assignment.trial,
        epoch=epoch,
        best_epoch=best_epoch,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


class ModelKeeper:
    """Keeps the best epoch's weights in memory and writes checkpoints of the model."""

    def __init__(
        self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], inputs: Arrays, progress: Progress
    ) -> None:
        self.best_epoch = 0
        self.best_score: float | None = None
        self.within_epoch = False
        """The model is no longer as it was after the last epoch, so only the best weights can be saved."""
        self._best_weights: Values = []
        self._model = model
        self._callbacks = callbacks
        self._inputs = inputs
        self._progress = progress

    def note(self, epoch: int, score: float) -> None:
        if self.best_score is None or score > self.best_score:
            self.best_epoch, self.best_score = epoch, score
            self._best_weights = values(self._model.weights)

    def save(self) -> None:
        epoch = self.best_epoch if self.within_epoch else self._progress.epoch
        state = {
            "epoch": epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "inputs": self._inputs,
            "whole": None if self.within_epoch else self._whole(),
            "best": None if epoch == self.best_epoch and not self.within_epoch else self._best_weights,
        }
        content = pack(state)
        checkpoint = describe(self._progress.assignment, epoch, self.best_epoch, content, self.within_epoch)
        self._progress.link.save(checkpoint, content)

    def _whole(self) -> Tree:
        variables = self._model.variables
        return {
            "model": layer_state(self._model),
            "optimizers": {name: optimizer_state(item, variables) for name, item in optimizers(self._model)},
            "callbacks": callback_states(self._callbacks),
            "random": global_randomness(),
        }

    def restore(self, content: bytes) -> None:
        """After `on_train_begin` of the callbacks, which may set what is to be as it was."""
        state = unpack(content)
        whole = state["whole"]
        weights = state["best"] if whole is None else whole["model"]["weights"]
        build_weights(self._model, state["inputs"], len(weights))
        if whole is None:
            set_values(self._model.weights, weights, "model")
        else:
            self._restore_whole(whole)
        self.best_epoch, self.best_score = state["best_epoch"], state["best_score"]
        self._best_weights = weights if state["best"] is None else state["best"]

    def _restore_whole(self, whole: Tree) -> None:
        set_layer_state(self._model, whole["model"])
        variables = self._model.variables
        for name, optimizer in optimizers(self._model):
            set_optimizer_state(optimizer, whole["optimizers"][name], variables)
        set_callback_states(self._callbacks, whole["callbacks"])
        set_global_randomness(whole["random"])


def export_best(study: Study, configuration: Configuration, seed: int, content: bytes) -> bytes | None:
    """The best epoch's model as a `.keras` file; None when a `train` function saved no Keras model."""
    state = unpack(content)
    if study.build is None:
        return None if state["best_file"] is None else bytes(state["best_file"].tobytes())
    weights = state["whole"]["model"]["weights"] if state["best"] is None else state["best"]
    begin_trial(seed)
    model = build_model(study, configuration)
    build_weights(model, state["inputs"], len(weights))
    set_values(model.weights, weights, "model")
    if model.optimizer is not None and not model.optimizer.built:
        # A file without the optimizer's variables loads with a warning.
        model.optimizer.build(model.trainable_variables)
    return keras_file(model)
