"""Keras's and Python's global state, set anew for every trial: what ran before in the process must not matter.

Much of it belongs to the thread (dtype policy, global seed generator), so a trial begins, builds and trains in
one thread. The settings that trials start from are those of the first trial's beginning: import the study, which
may set a dtype policy at its top, in that thread before.
"""

import gc
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from numpy.typing import NDArray
from tensorflow.python.eager import context

from orchestrator.training.graph_memory import release_past_graphs

SEED_BITS = 0xFFFFFFFF

MOST_TIME_TO_COLLECT = 0.03
"""Of the time in which trials are trained."""
_collected_at: float | None = None
_collecting_took = 0.0

_begun: set[int] = set()
"""Seeds of the trials of this process."""


@dataclass(frozen=True, slots=True)
class _Settings:
    floatx: str
    epsilon: float
    image_data_format: str
    dtype_policy: Any


@cache
def _settings_at_start() -> _Settings:
    config = keras.config
    return _Settings(config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy())


def short_seed(seed: int) -> int:
    """As many bits as NumPy's and TensorFlow's seeds hold."""
    return seed & SEED_BITS


def begin_trial(seed: int, keep_kernels: bool = False) -> None:
    """Python's, NumPy's, TensorFlow's and Keras's state as at the beginning of every trial of this seed.

    Args:
        seed: The trial's.
        keep_kernels: The trial draws from no generator that TensorFlow keeps within its kernels. Then these may go on
            where one has begun in this process before; as it is, they are made anew, and with them what TensorFlow has
            made of graphs, which takes longer than some epochs.
    """
    settings = _settings_at_start()
    release_past_graphs()
    with _kernels_kept() if keep_kernels or seed not in _begun else nullcontext():
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(short_seed(seed))
    _begun.add(seed)
    _collect_past_trials()
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


def _collect_past_trials() -> None:
    """Models and graphs are cycles of objects. Python would let those of several trials gather, whose memory is then in
    pieces. What was there before the first trial takes the longest to look through, and is left out from then on."""
    global _collected_at, _collecting_took
    began = time.perf_counter()
    if _collected_at is not None and began - _collected_at < _collecting_took / MOST_TIME_TO_COLLECT:
        return
    gc.collect()
    if _collected_at is None:
        gc.freeze()
        began = time.perf_counter()
    _collected_at = time.perf_counter()
    _collecting_took = _collected_at - began


def begin_epoch(seed: int, epoch: int) -> None:
    """Python's and NumPy's generators depend on the epoch alone, so a resumed trial draws as an unbroken one."""
    words = np.random.SeedSequence((short_seed(seed), epoch)).generate_state(4)
    np.random.seed(words)
    random.seed(words.tobytes())


def global_randomness() -> NDArray[Any] | None:
    """The state of Keras's own generator, which serves random ops without a seed; None if none was used."""
    generator = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    return None if generator is None else keras.ops.convert_to_numpy(generator.state)


def set_global_randomness(state: NDArray[Any] | None) -> None:
    if state is not None:
        seed_generator.global_seed_generator().state.assign(state)
