"""What a loop of the user's own saves: copies in memory, written as a checkpoint when one is due."""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.training.attempt import Attempt
from orchestrator.training.checkpoint import packed
from orchestrator.training.packing import Tree, is_tree, unpack
from orchestrator.training.session import global_randomness, set_global_randomness

if TYPE_CHECKING:
    import keras

    from orchestrator.training.variables import Values

LAYER, OPTIMIZER, VALUE = "layer", "optimizer", "value"
Saved = dict[str, dict[str, Tree]]
"""By name: what kind of thing it is, and its state."""


@dataclass(frozen=True, slots=True)
class _Capture:
    epoch: int
    saved: Saved
    random: NDArray[Any] | None
    model: "keras.Model | None"
    model_name: str


class LoopKeeper:
    """Only epochs that were both saved and reported count: of others, there is nothing or no score."""

    def __init__(self, attempt: Attempt) -> None:
        self.best_epoch = 0
        self.best_score: float | None = None
        self._best_weights: Values | None = None
        self._best_file: bytes | None = None
        self._attempt = attempt
        self._start: Tree | None = None
        self._captured: _Capture | None = None
        self._whole: _Capture | None = None
        self._written: _Capture | None = None
        self._reported = (0, 0.0)
        if (start := attempt.assignment.start) is not None:
            self._start = unpack(attempt.link.load(start))
            self.best_epoch, self.best_score = self._start["best_epoch"], self._start["best_score"]
            self._best_file = None if self._start["best_file"] is None else self._start["best_file"].tobytes()

    def begin(self) -> None:
        """The first epoch begins, everything is built."""
        if self._start is not None:
            set_global_randomness(self._start["random"])

    def capture(self, epoch: int, objects: Mapping[str, Any]) -> None:
        """TypeError for what cannot be kept."""
        models = {name: item for name, item in objects.items() if _is_keras(item, "Model")}
        name = "model" if "model" in models else next(iter(models), "")
        variables = _variables(objects, [name for name, item in objects.items() if _is_keras(item, "Layer")])
        saved = {key: _saved(key, item, variables) for key, item in objects.items()}
        self._captured = _Capture(epoch, saved, global_randomness(), models.get(name), name)
        self._match()

    def note(self, epoch: int, score: float) -> None:
        self._reported = (epoch, score)
        self._match()

    def _match(self) -> None:
        epoch, score = self._reported
        if self._captured is None or self._captured.epoch != epoch or self._attempt.ending is not None:
            return
        self._whole = self._captured
        if self.best_score is None or score > self.best_score or epoch == self.best_epoch:
            self.best_epoch, self.best_score = epoch, score
            self._best_file = None
            model_name = self._whole.model_name
            self._best_weights = self._whole.saved[model_name]["state"]["weights"] if model_name else None

    def save(self) -> None:
        """At most once for what was saved last: nothing has changed since."""
        if self._whole is None or self._whole is self._written:
            return
        file = self._best_model(self._whole)
        state = {
            "epoch": self._whole.epoch,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "saved": self._whole.saved,
            "random": self._whole.random,
            "best_file": None if file is None else np.frombuffer(file, np.uint8),
        }
        self._attempt.link.save(partial(packed, self._attempt.assignment, state))
        self._written = self._whole

    save_to_go_on = save

    def _best_model(self, capture: _Capture) -> bytes | None:
        """The best epoch's model as a `.keras` file, written at most once for each best epoch."""
        if self._best_file is None and self._best_weights is not None and capture.model is not None:
            from orchestrator.training.models import keras_file
            from orchestrator.training.variables import set_values, values

            model = capture.model
            current = values(model.weights)
            try:
                set_values(model.weights, self._best_weights, "model")
                self._best_file = keras_file(model)
            except Exception as error:
                self._best_weights = None
                warnings.warn(f"the best model cannot be written as a .keras file: {error}", stacklevel=2)
            finally:
                set_values(model.weights, current, "model")
        return self._best_file

    def restore(self, objects: Mapping[str, Any]) -> dict[str, Any] | None:
        """TypeError or KeyError for objects that cannot be set to what was saved."""
        if self._start is None:
            return None
        saved: Saved = self._start["saved"]
        for name, item in objects.items():
            if name not in saved:
                raise KeyError(f"{name}=…): no such name was saved; saved are {', '.join(saved)}")
            _check_restorable(name, item, saved[name])
        variables = _variables(objects, [name for name in saved if saved[name]["kind"] == LAYER])
        for name in sorted(objects, key=lambda name: saved[name]["kind"] != LAYER):
            from orchestrator.training.variables import set_layer_state, set_optimizer_state

            if saved[name]["kind"] == LAYER:
                set_layer_state(objects[name], saved[name]["state"])
            else:
                set_optimizer_state(objects[name], saved[name]["state"], variables)
        return {name: _returned(part) for name, part in saved.items()}


def _variables(objects: Mapping[str, Any], layers: list[str]) -> list[Any]:
    """Those of the named models, in one row: optimizers say by their places what they were built on."""
    return [variable for name in sorted(layers) if name in objects for variable in objects[name].variables]


def _is_keras(item: Any, name: str) -> bool:
    """Keras is not imported for this: where nobody has, nothing is of it."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(item, getattr(keras, name))


def _saved(name: str, item: Any, variables: list[Any]) -> dict[str, Tree]:
    if _is_keras(item, "Layer") or _is_keras(item, "Optimizer"):
        from orchestrator.training.variables import layer_state, optimizer_state

        if _is_keras(item, "Layer"):
            return {"kind": LAYER, "state": layer_state(item)}
        return {"kind": OPTIMIZER, "state": optimizer_state(item, variables)}
    value = _copied(item)
    if not is_tree(value):
        raise TypeError(f"{name}=…) cannot keep {type(item).__name__}: give Keras models, optimizers, arrays or values")
    return {"kind": VALUE, "state": value}


def _copied(item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return type(item)([_copied(part) for part in item])
    if isinstance(item, dict):
        return {key: _copied(part) for key, part in item.items()}
    if isinstance(item, np.ndarray):
        return np.array(item)
    tf = sys.modules.get("tensorflow")
    if _is_keras(item, "Variable") or (tf is not None and isinstance(item, (tf.Tensor, tf.Variable))):
        return np.array(item.numpy())
    return item


def _check_restorable(name: str, item: Any, part: dict[str, Tree]) -> None:
    kinds = {LAYER: "Layer", OPTIMIZER: "Optimizer"}
    expected = kinds.get(part["kind"])
    if expected is None or not _is_keras(item, expected):
        raise TypeError(
            f"{name}=…) got {type(item).__name__} where a {part['kind']} was saved: "
            "give Keras models and optimizers, and read the rest from what ctx.restore returns"
        )
    if expected == "Layer" and part["state"]["weights"] and not item.weights:
        raise TypeError(f"{name}=…): the model has no weights yet: call it once on a batch, or model.build(…), before")


def _returned(part: dict[str, Tree]) -> Any:
    if part["kind"] == VALUE:
        return part["state"]
    return part["state"]["weights" if part["kind"] == LAYER else "variables"]
