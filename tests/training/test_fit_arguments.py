"""What a study may ask of `fit`: batch sizes, weights, callbacks and other arguments."""

from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Failed
from tests.training.support import EndAfter, assignment, fit_study, numbers, train

BATCHES = 4
VALIDATION_BATCHES = 1


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


def test_batch_size_of_the_configuration(data: Data) -> None:
    """Seven batches of at most 8 rows, the last one partial; `interruption` is asked once a batch."""
    counted = train(fit_study(), assignment(1, max_epochs=1, configuration={"batch_size": np.int64(8)}), data)
    assert counted.link.questions == 7 + VALIDATION_BATCHES
    larger = train(fit_study(), assignment(1, max_epochs=1, configuration={"batch_size": 64}), data)
    assert larger.link.questions == 1 + VALIDATION_BATCHES


@pytest.mark.parametrize("size", [0, -1, 16.0, "16", True, None])
def test_batch_size_that_is_none(data: Data, size: Any) -> None:
    ending = train(fit_study(), assignment(1, configuration={"batch_size": size}), data).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert f"batch_size is {size!r}: use a whole number" in ending.message


def test_validation_batch_size_and_steps_are_the_users(data: Data) -> None:
    study = fit_study(fit={"validation_batch_size": 3, "validation_steps": 2})
    assert train(study, assignment(1, max_epochs=1), data).link.questions == BATCHES + 2


def test_executions_of_many_steps_keep_to_the_epoch(data: Data) -> None:
    def build(steps: int) -> Any:
        def built(configuration: dict[str, Any]) -> Any:
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
            model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=steps)
            return model

        return built

    one, many = (train(fit_study(build(steps)), assignment(3, max_epochs=3), data).link.curve for steps in (1, 6))
    for epoch in (1, 2, 3):
        assert one[epoch] == pytest.approx(many[epoch], rel=1e-6)


def test_inputs_and_outputs_by_name(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        left, right = keras.Input((3,), name="left"), keras.Input((1,), name="right")
        joined = keras.layers.concatenate([left, right])
        outputs = {"label": keras.layers.Dense(3, activation="softmax", name="label")(joined)}
        model = keras.Model({"left": left, "right": right}, outputs)
        model.compile("sgd", {"label": "sparse_categorical_crossentropy"}, run_eagerly=True)
        return model

    def named(pair: Any) -> Any:
        return {"left": pair[0][:, :3], "right": pair[0][:, 3:].astype("float64")}, {"label": pair[1]}

    done = train(fit_study(build), assignment(2, max_epochs=2), Data(named(data.train), named(data.validation)))
    assert done.ending == Completed("reached epoch 2")


def test_sample_weights_count(data: Data) -> None:
    """Rows of no weight are as good as rows that are not there."""
    weights = np.zeros(50)
    weights[:10] = 1
    weighted = train(fit_study(fit={"sample_weight": weights}), assignment(1, max_epochs=1), data)
    plain = train(fit_study(), assignment(1, max_epochs=1), data)
    assert weighted.link.curve[1]["loss"] < 0.5 * plain.link.curve[1]["loss"]
    ending = train(fit_study(fit={"sample_weight": weights[:7]}), assignment(1), data).ending
    assert isinstance(ending, Failed)
    assert ending.message == "Study(fit=…) gives 7 sample weights for 50 training rows"


def test_sample_weights_count_for_every_output(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        row = keras.Input((4,))
        model = keras.Model(row, {name: keras.layers.Dense(1, name=name)(row) for name in "ab"})
        model.compile("sgd", {"a": "mse", "b": "mse"}, run_eagerly=True)
        return model

    def named(pair: Any) -> Any:
        return pair[0], {"a": pair[0][:, :1], "b": pair[0][:, :1]}

    pairs = Data(named(data.train), named(data.validation))
    done = train(fit_study(build, fit={"sample_weight": np.zeros(50)}), assignment(1, max_epochs=1), pairs)
    assert done.link.curve[1]["loss"] == 0


def test_class_weights_reach_fit(data: Data) -> None:
    heavy = train(fit_study(fit={"class_weight": {0: 10.0, 1: 10.0, 2: 10.0}}), assignment(1, max_epochs=1), data)
    plain = train(fit_study(), assignment(1, max_epochs=1), data)
    assert heavy.link.curve[1]["loss"] > 3 * plain.link.curve[1]["loss"]


def test_callbacks_of_a_dict_are_copied_for_each_trial(data: Data) -> None:
    shared = EndAfter(1)
    study = fit_study(fit={"callbacks": [shared]})
    for _ in range(2):
        assert train(study, assignment(4), data).link.told == [1, "saved 1, best 1"]
    assert shared.model is None


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ({"epochs": 3}, "Study(fit=…) sets epochs, which the study itself decides: leave it out"),
        ({"calbacks": []}, "Study(fit=…) names calbacks, which fit does not take; did you mean 'callbacks'?"),
        ({"validation_split": 0.2}, "Study(fit=…) sets validation_split: split in data()"),
        ({"validation_freq": 2}, "Study(fit=…) sets validation_freq: every epoch is validated, leave it out"),
        ({"shuffle": "batch"}, "Study(fit=…) sets shuffle='batch': use True or False"),
        ({"callbacks": [print]}, "Study(fit=…) has a builtin_function_or_method among the callbacks"),
    ],
)
def test_arguments_that_fit_cannot_have(data: Data, fit: Any, message: str) -> None:
    ending = train(fit_study(fit=fit), assignment(1), data).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert ending.message.startswith(message)
