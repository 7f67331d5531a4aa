"""The best epoch's model, out of a checkpoint and as a `.keras` file."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.study import Study
from orchestrator.training.checkpoint import export_best
from orchestrator.training.data import Data
from tests.training.support import FakeLink, Trained, after, assignment, fit_study, numbers, tiny, train

RATE = {"rate": 0.01}


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


def evaluated(content: bytes | None, data: Data, folder: Path) -> dict[str, Any]:
    assert content is not None
    path = folder / "model.keras"
    path.write_bytes(content)
    scores: dict[str, Any] = keras.saving.load_model(path).evaluate(*data.validation, verbose=0, return_dict=True)
    return scores


def unbuilt(configuration: dict[str, Any]) -> Any:
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Ruin(keras.callbacks.Callback):
    """From the third epoch on the network is as wrong as can be."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch >= 2:
            kernel = self.model.layers[-1].kernel
            kernel.assign(-50 * kernel)


def worsening(build: Any) -> Study:
    return fit_study(build, fit={"callbacks": [Ruin()]})


@pytest.mark.parametrize("build", [tiny, unbuilt])
@pytest.mark.parametrize("stop_at", [None, 20])
def test_it_scores_as_the_best_epoch_did(data: Data, tmp_path: Path, build: Any, stop_at: int | None) -> None:
    """Also when training went on to worse weights, and when it was stopped within an epoch."""
    study = worsening(build)
    done = train(study, assignment(4), data, FakeLink(stop_at=stop_at))
    best = done.link.checkpoints[-1].best_epoch
    assert best == 2
    scores = evaluated(export_best(study, RATE, 7, done.link.last_content), data, tmp_path)
    assert scores["loss"] == pytest.approx(done.link.curve[best]["val_loss"], rel=1e-5)
    assert scores["accuracy"] == pytest.approx(done.link.curve[best]["val_accuracy"], rel=1e-5)


def test_the_best_epoch_lies_before_a_pause(data: Data, tmp_path: Path) -> None:
    study = worsening(tiny)
    first = train(study, assignment(2), data, FakeLink(["pause"]))
    second = train(study, after(first, 4), data, first.link)
    assert second.link.told[-1] == "saved 4, best 2"
    scores = evaluated(export_best(study, RATE, 7, second.link.last_content), data, tmp_path)
    assert scores["loss"] == pytest.approx(second.link.curve[2]["val_loss"], rel=1e-5)


def test_inputs_by_name_that_are_known_from_the_first_batch(tmp_path: Path) -> None:
    class Named(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.lookup = keras.layers.Embedding(5, 2)
            self.out = keras.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.out(keras.ops.concatenate([self.lookup(inputs["word"]), inputs["size"]], axis=-1))

    def build(configuration: dict[str, Any]) -> Any:
        model = Named()
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    draw = np.random.default_rng(0)
    x = {"word": draw.integers(0, 5, 30), "size": draw.normal(size=(30, 1))}
    data = Data((x, x["size"]), (x, x["size"]))
    study = fit_study(build)
    first = train(study, assignment(1), data, FakeLink(["pause"]))
    second = train(study, after(first, 2, max_epochs=2), data, first.link)
    whole = train(study, assignment(2, max_epochs=2), data)
    assert second.link.curve[2] == pytest.approx(whole.link.curve[2], rel=1e-6)
    assert export_best(study, RATE, 7, second.link.last_content) is not None


def names(done: Trained) -> list[str]:
    return [checkpoint.name for checkpoint in done.link.checkpoints]


def test_names_tell_trial_attempt_and_epoch(data: Data) -> None:
    first = train(fit_study(), assignment(1), data, FakeLink(["pause"]))
    second = train(fit_study(), after(first, 2, max_epochs=2), data, first.link)
    assert names(second) == ["trial-17-attempt-1-epoch-1.npz", "trial-17-attempt-2-epoch-2.npz"]
