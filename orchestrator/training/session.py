"""The process's global state, set anew for every trial: what ran before in the process must not matter.

Keras's and TensorFlow's are part of it once they are loaded (`keras_session.py`), be it in the middle of a trial.
"""

import gc
import random
import sys
import time
from hashlib import blake2b
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED_BITS = 0xFFFFFFFF

MOST_TIME_TO_COLLECT = 0.03
"""Of the time in which trials are trained."""
_collected_at: float | None = None
_collecting_took = 0.0
_seed: int | None = None
"""Of the trial that began last."""


def short_seed(seed: int) -> int:
    """As many bits as NumPy's and TensorFlow's seeds hold."""
    return seed & SEED_BITS


def begin_trial(seed: int, keep_kernels: bool = False) -> None:
    """Python's, NumPy's, TensorFlow's and Keras's state as at the beginning of every trial of this seed.

    Args:
        seed: The trial's.
        keep_kernels: As of `keras_session.begin`.
    """
    global _seed
    _seed = seed
    if "keras" in sys.modules:
        _begin_in_keras(seed, keep_kernels)
    _collect_past_trials()
    random.seed(short_seed(seed))
    np.random.seed(short_seed(seed))


def tensorflow_is_imported(tf: ModuleType) -> None:
    """To be called when it has just been: a trial that imports it goes on as one that had found it there."""
    if _seed is not None:
        tf.random.set_seed(short_seed(_seed))


def keras_is_imported() -> None:
    """The same for Keras, which is imported before or after TensorFlow, or in the midst of it."""
    if _seed is not None:
        _begin_in_keras(_seed)


def _begin_in_keras(seed: int, keep_kernels: bool = False) -> None:
    from orchestrator.training import keras_session

    keras_session.begin(seed, short_seed(seed), keep_kernels)


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
    words = blake2b(b"%d %d" % (short_seed(seed), epoch), digest_size=16).digest()
    np.random.seed(int.from_bytes(words[:4]))  # One number, not several: setting those takes five times as long.
    random.seed(int.from_bytes(words[4:]))


def global_randomness() -> NDArray[Any] | None:
    """The state of Keras's own generator, which serves random ops without a seed; None if none was used."""
    if "keras" not in sys.modules:
        return None
    from orchestrator.training import keras_session

    return keras_session.randomness()


def set_global_randomness(state: NDArray[Any] | None) -> None:
    if state is not None:
        from orchestrator.training import keras_session

        keras_session.set_randomness(state)
