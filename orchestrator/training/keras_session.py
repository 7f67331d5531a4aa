"""Keras's global state, set anew for every trial where Keras is loaded; much of it belongs to the thread.

The settings that trials start from are those of the first trial's beginning: import the study, which may set a dtype
policy at its top, in that thread before. Where a trial is the first to import Keras, they are Keras's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from numpy.typing import NDArray
from tensorflow.python.eager import context

from orchestrator.training.graph_memory import release_past_graphs

_begun: set[int] = set()
"""Seeds of the trials of this process."""


@dataclass(frozen=True, slots=True)
class Settings:
    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: Any


@cache
def settings_at_start() -> Settings:
    config = keras.config
    return Settings(config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy())


def begin(seed: int, short: int, keep_kernels: bool = False) -> None:
    """A trial, by its seed and what of that Keras takes; Python's and NumPy's generators are seeded too.

    Args:
        seed: The trial's.
        short: Its last 32 bits.
        keep_kernels: The trial draws from no generator that TensorFlow keeps within its kernels. Then these may go on
            where one has begun in this process before; as it is, they are made anew, and with them what TensorFlow has
            made of graphs, which takes longer than some epochs.
    """
    settings = settings_at_start()
    release_past_graphs()
    with _kernels_kept() if keep_kernels or seed not in _begun else nullcontext():
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(short)
    _begun.add(seed)
    keras.config.set_floatx(settings.floatx)
    keras.config.set_epsilon(settings.epsilon)
    keras.config.set_image_data_format(settings.image_data_format)
    keras.config.set_dtype_policy(settings.dtype_policy)
    # Environment variables can cap every fit for debugging; a capped trial would pass for a whole one.
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


def has_begun(seed: int) -> bool:
    """Whether a trial of this seed has, in this process."""
    return seed in _begun


@contextmanager
def _kernels_kept() -> Iterator[None]:
    """Keras and TensorFlow clear them where a context has a handle."""
    eager = context.context()
    handle, eager._context_handle = eager._context_handle, None
    try:
        yield
    finally:
        eager._context_handle = handle


def randomness() -> NDArray[Any] | None:
    """The state of Keras's own generator, which serves random ops without a seed; None if none was used."""
    generator = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    return None if generator is None else keras.ops.convert_to_numpy(generator.state)


def set_randomness(state: NDArray[Any]) -> None:
    seed_generator.global_seed_generator().state.assign(state)
