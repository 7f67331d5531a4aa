"""What is saved of a trial that `fit` trains: a whole checkpoint, and its best epoch's weights in memory until then.

One file holds weights, the states of random generators and optimizers, what callbacks remember, and the best epoch's
weights where that is another epoch. The data's order needs nothing: it is a function of (seed, epoch).
"""

from collections.abc import Sequence

import keras

from orchestrator.training.attempt import Attempt
from orchestrator.training.checkpoint import describe
from orchestrator.training.data import Arrays
from orchestrator.training.packing import Tree, is_tree, pack, unpack
from orchestrator.training.session import global_randomness, set_global_randomness
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

GIVEN_BY_FIT = {"params", "_model"}
SET_WITH_MONITOR = "min_delta"
"""Keras turns its sign when it first looks at the monitored metric, and would turn a restored one back."""


class FitKeeper:
    """Keeps the best epoch's weights in memory and writes checkpoints of the model."""

    def __init__(
        self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], inputs: Arrays, attempt: Attempt
    ) -> None:
        self.best_epoch = 0
        self.best_score: float | None = None
        self.within_epoch = False
        """The model is no longer as it was after the last epoch, so only the best weights can be saved."""
        self._best_weights: Values = []
        self._model = model
        self._callbacks = callbacks
        self._inputs = inputs
        self._attempt = attempt

    def note(self, epoch: int, score: float) -> None:
        if self.best_score is None or score > self.best_score:
            self.best_epoch, self.best_score = epoch, score
            self._best_weights = values(self._model.weights)

    def save(self) -> None:
        epoch = self.best_epoch if self.within_epoch else self._attempt.epoch
        state = {
            "epoch": epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "inputs": self._inputs,
            "whole": None if self.within_epoch else self._whole(),
            "best": None if epoch == self.best_epoch and not self.within_epoch else self._best_weights,
        }
        content = pack(state)
        checkpoint = describe(self._attempt.assignment, epoch, self.best_epoch, content, self.within_epoch)
        self._attempt.link.save(checkpoint, content)

    def _whole(self) -> Tree:
        variables = self._model.variables
        return {
            "model": layer_state(self._model),
            "optimizers": {name: optimizer_state(item, variables) for name, item in optimizers(self._model)},
            "callbacks": _callback_states(self._callbacks),
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
        _set_callback_states(self._callbacks, whole["callbacks"])
        set_global_randomness(whole["random"])


def _callback_states(callbacks: Sequence[keras.callbacks.Callback]) -> list[Tree]:
    """What they remember: patience used up, best value so far, best weights."""
    return [{"type": type(callback).__name__, "values": _values(callback)} for callback in callbacks]


def _set_callback_states(callbacks: Sequence[keras.callbacks.Callback], states: Sequence[Tree]) -> None:
    """Only after `on_train_begin`, in which callbacks forget."""
    given, saved = [type(callback).__name__ for callback in callbacks], [state["type"] for state in states]
    if given != saved:
        raise ValueError(
            f"the checkpoint holds the callbacks {', '.join(saved) or 'none'}, Study(fit=…) gives "
            f"{', '.join(given) or 'none'}: the same configuration must always have the same callbacks"
        )
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state["values"])


def _values(callback: keras.callbacks.Callback) -> Tree:
    left_out = GIVEN_BY_FIT | ({SET_WITH_MONITOR} if hasattr(callback, "monitor_op") else set())
    return {name: value for name, value in vars(callback).items() if name not in left_out and is_tree(value)}
