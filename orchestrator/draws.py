"""Random numbers as a function of what they are for: (seed, trial, purpose, draw), never of arrival order.

The generator is Philox 4x64, a counter-based one (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): seed and purpose make its key, trial and draw its counter.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.random import Generator, Philox
from numpy.random.bit_generator import ISeedSequence


class Purpose(IntEnum):
    """Part of every key, so that a new purpose never changes the draws of another."""

    CONFIGURATION = 1
    TRAINING = 2
    PLAN = 3


class _Key(ISeedSequence):
    """A key as it is. Given as `key`, numpy would first ask the system for entropy, which takes longer than a draw."""

    def __init__(self, *words: int) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> np.ndarray:
        assert n_words == len(self._words)
        return np.array(self._words, dtype=dtype)


def generator(seed: int, trial: int, purpose: Purpose, draw: int = 0) -> Generator:
    counter = np.array([0, draw, trial, 0], dtype=np.uint64)
    sequence: Any = _Key(seed % 2**64, purpose)  # Which Philox takes, although its annotations do not say so.
    return Generator(Philox(sequence, counter=counter))


def training_seed(seed: int, trial: int) -> int:
    """What a trial's initial weights, dropout and order of data follow from: 32 bits."""
    return int(generator(seed, trial, Purpose.TRAINING).integers(2**32))
