"""Random numbers as a function of what they are for: (seed, trial, purpose, draw), never of arrival order.

The generator is Philox 4x64, a counter-based one (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): seed and purpose make its key, trial and draw its counter.
"""

from enum import IntEnum

import numpy as np
from numpy.random import Generator, Philox


class Purpose(IntEnum):
    """Part of every key, so that a new purpose never changes the draws of another."""

    CONFIGURATION = 1
    TRAINING = 2
    PLAN = 3


def generator(seed: int, trial: int, purpose: Purpose, draw: int = 0) -> Generator:
    key = np.array([seed % 2**64, purpose], dtype=np.uint64)
    counter = np.array([0, draw, trial, 0], dtype=np.uint64)
    return Generator(Philox(key=key, counter=counter))


def training_seed(seed: int, trial: int) -> int:
    """What a trial's initial weights, dropout and order of data follow from: 32 bits."""
    return int(generator(seed, trial, Purpose.TRAINING).integers(2**32))
