"""What callbacks remember: patience used up, best value so far, best weights, and what their random generators and
variables hold, where the callback has made them by the time that it is restored."""

import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from orchestrator.training.packing import Tree, copied, is_tree
from orchestrator.training.variables import is_variable, values

GIVEN_BY_FIT = {"params", "_model"}
SET_WITH_MONITOR = "min_delta"
"""Keras turns its sign when it first looks at the monitored metric, and would turn a restored one back."""


def callback_states(callbacks: Sequence[keras.callbacks.Callback]) -> list[Tree]:
    """Copies: nothing that callbacks do later changes them."""
    return [
        {
            "type": type(callback).__name__,
            "values": {name: copied(value) for name, value in _kept(callback).items() if is_tree(value)},
            "generators": {name: _drawn(value) for name, value in _kept(callback).items() if _is_generator(value)},
            "variables": {name: values([value])[0] for name, value in _kept(callback).items() if is_variable(value)},
        }
        for callback in callbacks
    ]


def set_callback_states(callbacks: Sequence[keras.callbacks.Callback], states: Sequence[Tree]) -> None:
    """Only after `on_train_begin`, in which callbacks forget."""
    given, saved = [type(callback).__name__ for callback in callbacks], [state["type"] for state in states]
    if given != saved:
        raise ValueError(
            f"the checkpoint holds the callbacks {', '.join(saved) or 'none'}, Study(fit=…) gives "
            f"{', '.join(given) or 'none'}: the same configuration must always have the same callbacks"
        )
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state["values"])
        for name, drawn in state["generators"].items():
            if _is_generator(generator := vars(callback).get(name)):
                _set_drawn(generator, drawn)
        for name, array in state["variables"].items():
            if is_variable(variable := vars(callback).get(name)):
                variable.assign(array)


def _kept(callback: keras.callbacks.Callback) -> dict[str, Any]:
    left_out = GIVEN_BY_FIT | ({SET_WITH_MONITOR} if hasattr(callback, "monitor_op") else set())
    return {name: value for name, value in vars(callback).items() if name not in left_out}


def _is_generator(value: Any) -> bool:
    return isinstance(value, (random.Random, np.random.RandomState, np.random.Generator))


def _drawn(generator: Any) -> Tree:
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.bit_generator.state


def _set_drawn(generator: Any, drawn: Tree) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(drawn)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(drawn)
    else:
        generator.bit_generator.state = drawn
