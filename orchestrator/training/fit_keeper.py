"""What is saved of a trial that Keras trains: a whole checkpoint, and its best epoch's weights in memory until then.

One file holds weights, the states of random generators and optimizers, what callbacks remember, and the best epoch's
weights where that is another epoch. The data's order needs nothing: it is a function of (seed, epoch). Of a trial
within an epoch it also holds the step, and the metrics so far.
"""

from collections.abc import Sequence
from functools import partial

import keras

from orchestrator.training.attempt import Attempt
from orchestrator.training.callback_state import callback_states, set_callback_states
from orchestrator.training.checkpoint import packed
from orchestrator.training.data import Arrays
from orchestrator.training.packing import Tree, unpack
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

Logs = dict[str, float]


class FitKeeper:
    """Keeps the best epoch's weights in memory and writes checkpoints of the model."""

    def __init__(
        self, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], inputs: Arrays, attempt: Attempt
    ) -> None:
        self.best_epoch = 0
        self.best_score: float | None = None
        self.step: int | None = 0
        """Batches trained since the last epoch ended; None where that is not known, as within Keras's own `fit`."""
        self.logs: Logs = {}
        """The epoch's metrics as of that step."""
        self._best_weights: Values = []
        self._written = (attempt.epoch, 0)
        """Epoch and step of the last whole checkpoint; of the one it starts from, to begin with."""
        self._copy: Tree | None = None
        """The whole state after the last epoch, while in the next."""
        self._model = model
        self._callbacks = callbacks
        self._inputs = inputs
        self._attempt = attempt

    def at_step(self, step: int | None, logs: Logs | None = None) -> None:
        self.step, self.logs = step, logs or {}

    def end_epoch(self) -> None:
        self.at_step(0)
        self._copy = None

    def note(self, epoch: int, score: float) -> None:
        if self.best_score is None or score > self.best_score:
            self.best_epoch, self.best_score = epoch, score
            self._best_weights = values(self._model.weights)

    def copy_whole(self) -> None:
        """At the end of an epoch, for a pause within the next."""
        if self._written == (self._attempt.epoch, 0):
            return
        self._copy = self._whole()
        if self.best_epoch == self._attempt.epoch:
            self._best_weights = self._copy["model"]["weights"]

    @property
    def loses_nothing(self) -> bool:
        """Whether a pause now can save all that was reported."""
        return self.step is not None or self._copy is not None or self._written == (self._attempt.epoch, 0)

    def save(self) -> None:
        """Within an epoch of the best weights alone."""
        if self.step == 0:
            self.save_to_go_on()
        else:
            self._write(self.best_epoch, 0, None)

    def save_to_go_on(self) -> None:
        """From this step, or where that is not known from the end of the last epoch."""
        position = (self._attempt.epoch, self.step or 0)
        if self._written != position:
            self._write(*position, self._copy if self.step is None else self._whole())
            self._written = position

    def _write(self, epoch: int, step: int, whole: Tree | None) -> None:
        state = {
            "epoch": epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "inputs": self._inputs,
            "whole": whole,
            "best": None if whole is not None and (epoch, 0) == (self.best_epoch, step) else self._best_weights,
        }
        self._attempt.link.save(partial(packed, self._attempt.assignment, state, best_alone=whole is None, step=step))

    def _whole(self) -> Tree:
        """Copies throughout."""
        variables = self._model.variables
        return {
            "model": layer_state(self._model),
            "optimizers": {name: optimizer_state(item, variables) for name, item in optimizers(self._model)},
            "callbacks": callback_states(self._callbacks),
            "random": global_randomness(),
            "step": self.step or 0,
            "metrics": values(self._model.metrics_variables) if self.step else [],
            "logs": dict(self.logs),
        }

    def restore(self, content: bytes, *, whole_epochs: bool = False) -> None:
        """After `on_train_begin` of the callbacks, which may set what is to be as it was.

        Raises:
            ValueError: It is another model's; or of a part of an epoch where only `whole_epochs` can be trained.
        """
        state = unpack(content)
        whole = state["whole"]
        if whole_epochs and whole is not None and whole.get("step"):
            raise ValueError("the checkpoint holds a part of an epoch, and fit begins with an epoch's first batch")
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
        self.at_step(whole.get("step", 0), whole.get("logs"))
        if self.step:
            set_values(self._model.metrics_variables, whole["metrics"], "model's metrics")
        self._written = (self._attempt.epoch, self.step or 0)
