"""What callbacks remember (patience used up, best value so far, best weights), kept across a pause."""

from collections.abc import Sequence
from typing import Any

import keras

from orchestrator.training.packing import is_tree

State = dict[str, Any]

GIVEN_BY_FIT = {"params", "_model"}
SET_WITH_MONITOR = "min_delta"
"""Keras turns its sign when it first looks at the monitored metric, and would turn a restored one back."""


def callback_states(callbacks: Sequence[keras.callbacks.Callback]) -> list[State]:
    return [{"type": type(callback).__name__, "values": _values(callback)} for callback in callbacks]


def set_callback_states(callbacks: Sequence[keras.callbacks.Callback], states: Sequence[State]) -> None:
    """Only after `on_train_begin`, in which callbacks forget."""
    given, saved = [type(callback).__name__ for callback in callbacks], [state["type"] for state in states]
    if given != saved:
        raise ValueError(
            f"the checkpoint holds the callbacks {', '.join(saved) or 'none'}, Study(fit=…) gives "
            f"{', '.join(given) or 'none'}: the same configuration must always have the same callbacks"
        )
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state["values"])


def _values(callback: keras.callbacks.Callback) -> State:
    left_out = GIVEN_BY_FIT | ({SET_WITH_MONITOR} if hasattr(callback, "monitor_op") else set())
    return {name: value for name, value in vars(callback).items() if name not in left_out and is_tree(value)}
