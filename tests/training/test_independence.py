"""A trial's result does not depend on which trials ran before it in the process, nor on the thread."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.training import keras_session
from orchestrator.training.data import Data
from orchestrator.training.session import begin_trial
from tests.training.support import assignment, fit_study, numbers, train


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


def build(configuration: dict[str, Any]) -> Any:
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.fixture
def no_settings_yet() -> Iterator[None]:
    keras_session.settings_at_start.cache_clear()
    yield
    keras.config.set_dtype_policy("float32")
    keras_session.settings_at_start.cache_clear()


def curve(data: Data, seed: int, build: Any = build) -> dict[int, dict[str, float]]:
    return train(fit_study(build), assignment(2, max_epochs=2, seed=seed), data).link.curve


def test_the_order_of_trials_does_not_matter(data: Data) -> None:
    first = curve(data, seed=1)
    other = curve(data, seed=2)
    again = curve(data, seed=1)
    assert other[2]["loss"] != pytest.approx(first[2]["loss"], abs=1e-4)
    for epoch in (1, 2):
        assert again[epoch] == pytest.approx(first[epoch], abs=1e-7)


def test_a_trial_that_spoils_the_global_state(data: Data) -> None:
    """And it may train in any thread: much of Keras's state belongs to one."""

    def spoil(configuration: dict[str, Any]) -> Any:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_floatx("float64")
        keras.config.set_epsilon(0.1)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_max_epochs(1)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        raise RuntimeError("spoilt")

    first = curve(data, seed=1)
    assert curve(data, seed=2, build=spoil) == {}
    assert keras.config.floatx() == "float64"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(curve, data, 1).result() == first
    config = keras.config
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == ("float32", 1e-7, "channels_last")
    assert curve(data, seed=1) == first


@pytest.mark.usefixtures("no_settings_yet")
def test_what_a_study_sets_at_its_top_holds_for_all_trials() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    for _ in range(2):
        begin_trial(1)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        keras.config.set_dtype_policy("float16")


def test_names_begin_anew(data: Data) -> None:
    names = []

    def build_and_note(configuration: dict[str, Any]) -> Any:
        model = build(configuration)
        names.append([layer.name for layer in model.layers])
        return model

    for _ in range(2):
        curve(data, seed=1, build=build_and_note)
    assert names[0] == names[1] == ["dense", "dropout", "dense_1"]


def test_seeds_of_any_size() -> None:
    """As the brain may give 64 bits."""
    draws = []
    for seed in (1, 2**32 + 1, 2**63, 2):
        begin_trial(seed)
        draws.append(random.random())
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
