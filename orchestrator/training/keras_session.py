"""Keras's global state, set anew for every trial where Keras is loaded; much of it belongs to the thread.

The settings that trials start from are those of the first trial's beginning: import the study, which may set a dtype
policy at its top, in that thread before. Where a trial is the first to import Keras, they are Keras's own.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from numpy.typing import NDArray

from orchestrator.training.graph_memory import release_past_graphs


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


def begin(seed: int) -> None:
    """A trial; Python's and NumPy's generators are seeded too."""
    settings = settings_at_start()
    release_past_graphs()
    keras.utils.clear_session(free_memory=False)
    keras.config.set_floatx(settings.floatx)
    keras.config.set_epsilon(settings.epsilon)
    keras.config.set_image_data_format(settings.image_data_format)
    keras.config.set_dtype_policy(settings.dtype_policy)
    # Environment variables can cap every fit for debugging; a capped trial would pass for a whole one.
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
    keras.utils.set_random_seed(seed)


def randomness() -> NDArray[Any] | None:
    """The state of Keras's own generator, which serves random ops without a seed; None if none was used."""
    generator = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    return None if generator is None else keras.ops.convert_to_numpy(generator.state)


def set_randomness(state: NDArray[Any]) -> None:
    seed_generator.global_seed_generator().state.assign(state)
