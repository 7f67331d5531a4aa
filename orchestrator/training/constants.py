"""What the parts of a model hold that tracing could build into a graph as a constant, or could tie together.

A part's `get_config` does not tell all of it: not the delta of a Huber loss, not what a Normalization was adapted to,
not what was set after the constructor had run, and not which parts share a variable.
"""

import hashlib
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

TENSORFLOWS_OWN = "_self_"
IN_VARIABLES = {"seed", "_initial_seed"}
BESIDE_THE_GRAPH = {
    "_auto_config", "_called", "_compile_loss", "_compile_metrics", "_compiled_trainable_state", "_loss_ids",
    "_loss_tracker", "_nodes", "_parent_path", "_tracked", "_tracker", "built", "history", "predict_function",
    "stop_evaluating", "stop_training", "test_function", "train_function",
}  # fmt: skip
"""What Keras notes while it builds, compiles and trains, some of it by addresses in memory."""
LOOKED_INTO = (
    keras.Loss,
    keras.Metric,
    keras.Regularizer,
    keras.constraints.Constraint,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.random.SeedGenerator,
)
TENSORS_WITHIN = (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)


class Constants:
    """Tells the parts of one model in turn, as JSON can hold it; what was told before, by its number."""

    def __init__(self, variables: list[Any], parts: list[Any]) -> None:
        """Numbered from the first variable on."""
        self._numbers = {id(item): number for number, item in enumerate([*variables, *parts])}

    def of(self, part: Any) -> dict[str, Any]:
        return {
            name: self.told(value)
            for name, value in sorted(vars(part).items())
            if value is not None
            and name not in IN_VARIABLES
            and name not in BESIDE_THE_GRAPH
            and not name.startswith(TENSORFLOWS_OWN)
        }

    def told(self, value: Any) -> Any:
        """TypeError for what could differ without looking so."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return [self.told(item) for item in value]
        if isinstance(value, dict):
            return [[self.told(name), self.told(item)] for name, item in value.items()]
        if isinstance(value, (set, frozenset)):
            return sorted(str(self.told(item)) for item in value)
        if isinstance(value, (np.ndarray, np.generic, tf.Tensor)):
            return _array(value)
        if (number := self._numbers.get(id(value))) is not None:
            return {"number": number}
        if isinstance(value, LOOKED_INTO):
            self._numbers[id(value)] = len(self._numbers)
            return {"class": type(value).__qualname__, **self.of(value)}
        return self._other(value)

    def _other(self, value: Any) -> Any:
        if isinstance(value, TENSORS_WITHIN):
            raise TypeError(type(value))
        if isinstance(value, partial):
            return [self.told(item) for item in (value.func, value.args, value.keywords)]
        if isinstance(value, keras.dtype_policies.DTypePolicy):
            return [type(value).__qualname__, value.name]
        if callable(value) and hasattr(value, "__qualname__"):
            return f"{value.__module__}.{value.__qualname__}"
        if isinstance(value, keras.Initializer):
            return "initializer"
        return type(value).__qualname__


def _array(value: Any) -> Any:
    if isinstance(value, tf.Tensor) and not hasattr(value, "numpy"):
        return "symbolic"
    array = np.asarray(value)
    return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
