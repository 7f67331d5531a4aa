"""`tf.data` pipelines of a study's own, as `fit` reads them."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.errors import UserError
from orchestrator.study import Study
from orchestrator.training.checkpoint import export_best
from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Failed, Released
from orchestrator.training.pipelines import Pipelines, check_made
from tests.training.support import FakeLink, Trained, assignment, fit_study, numbers, resume, tiny, train

ROWS = numbers()
BATCH = 16
STEPS = 4
"""Batches of the training rows, the last one of 2."""


def rows(pair: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(pair)


def pipelines() -> Pipelines:
    return Pipelines(rows(ROWS.train).batch(BATCH), rows(ROWS.validation).batch(BATCH))


def study(build: Any = tiny, **given: Any) -> Study:
    return fit_study(build, **{"data": pipelines, "data_per_worker": True, **given})


def trained(data: Pipelines | None = None, epochs: int = 2, **given: Any) -> Trained:
    return train(study(**given), assignment(epochs, max_epochs=epochs), data or pipelines())


def failure(data: Pipelines, **given: Any) -> Failed:
    ending = trained(data, **given).ending
    assert isinstance(ending, Failed) and ending.bad_study
    return ending


def test_batches_are_trained_as_they_come() -> None:
    """As `fit` does with the same rows in the same order."""
    done = trained(epochs=3)
    unshuffled = train(fit_study(fit={"shuffle": False}), assignment(3, max_epochs=3), ROWS)
    assert done.ending == Completed("reached epoch 3")
    for epoch in (1, 2, 3):
        assert done.link.curve[epoch] == pytest.approx(unshuffled.link.curve[epoch], rel=1e-6)
    assert done.link.questions == pytest.approx(3 * (STEPS + 2), abs=3), "asked at every batch"


def test_datasets_that_do_not_tell_their_length() -> None:
    data = pipelines()
    silent = Pipelines(data.train.filter(lambda x, y: True), data.validation.filter(lambda x, y: True))
    assert trained(silent, epochs=3).link.curve == trained(epochs=3).link.curve


def test_steps_per_epoch_go_on_where_the_last_epoch_ended() -> None:
    """Two epochs of two batches are one of four, and the dataset begins again where it ends."""
    plain = trained(epochs=2).link.curve
    halves = trained(epochs=4, fit={"steps_per_epoch": STEPS // 2}).link.curve
    endless = Pipelines(pipelines().train.repeat(), pipelines().validation)
    assert trained(endless, epochs=4, fit={"steps_per_epoch": STEPS // 2}).link.curve == halves
    for epoch in (1, 2):
        assert halves[2 * epoch]["val_loss"] == pytest.approx(plain[epoch]["val_loss"], rel=1e-6)


def test_validation_steps_are_the_same_batches_in_every_epoch() -> None:
    data = pipelines()
    first = Pipelines(data.train, rows(ROWS.validation).take(BATCH).batch(BATCH))
    endless = Pipelines(data.train, data.validation.repeat())
    assert trained(endless, fit={"validation_steps": 1}).link.curve == trained(first).link.curve
    assert trained(data, fit={"validation_steps": 99}).link.curve == trained(data).link.curve


def test_executions_of_many_batches() -> None:
    def build(configuration: dict[str, Any]) -> Any:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=3)
        return model

    for fit in ({}, {"steps_per_epoch": STEPS}):
        curve = trained(build=build, fit=fit).link.curve
        for epoch, metrics in trained().link.curve.items():
            assert curve[epoch] == pytest.approx(metrics, rel=1e-5)


def test_class_and_sample_weights() -> None:
    heavy = trained(fit={"class_weight": {0: 10.0, 1: 10.0, 2: 10.0}}, epochs=1).link.curve
    assert heavy[1]["loss"] > 3 * trained(epochs=1).link.curve[1]["loss"]
    weightless = rows((*ROWS.train, np.zeros(50, "float32"))).batch(BATCH)
    assert trained(Pipelines(weightless, pipelines().validation)).link.curve[1]["loss"] == 0


def test_a_trial_that_pauses_goes_on_as_one_that_did_not() -> None:
    whole = trained(epochs=4)
    first = train(study(), assignment(2), pipelines(), FakeLink(["pause"]))
    assert first.ending == Released()
    second = resume(study(), first, 4, pipelines())
    assert second.ending == Completed("reached epoch 4")
    assert first.link.curve | second.link.curve == whole.link.curve


def test_a_model_that_learns_its_input_from_the_data() -> None:
    """Whose pictures may be of any size, as far as the dataset says: only a batch tells."""

    def build(configuration: dict[str, Any]) -> Any:
        layers = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse")
        return model

    def generated() -> Iterator[Any]:
        yield from ((np.ones((size, 5, 1)), np.zeros(3)) for size in (4, 4, 6, 6))

    signature = (tf.TensorSpec([None, None, 1], "float32"), tf.TensorSpec([3], "float32"))
    pictures = tf.data.Dataset.from_generator(generated, output_signature=signature).batch(2)
    first = train(study(build), assignment(1), Pipelines(pictures, pictures), FakeLink(["pause"]))
    second = resume(study(build), first, 4, Pipelines(pictures, pictures))
    assert second.ending == Completed("reached epoch 4")
    assert export_best(study(build), {"rate": 0.01}, 7, second.link.last_content) is not None


def test_threads_are_those_of_the_worker_unless_the_pipeline_says_how_many() -> None:
    from orchestrator.training.pipelines import _within_share

    options = tf.data.Options()
    options.threading.private_threadpool_size = 3
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    plain = pipelines().train
    assert threads == 1
    assert _within_share(plain).options().threading.private_threadpool_size == threads
    assert _within_share(plain.with_options(options)).options().threading.private_threadpool_size == 3


def test_a_dataset_that_gives_nothing_is_no_perfect_score() -> None:
    data = pipelines()
    empty = Pipelines(data.train, data.validation.filter(lambda x, y: False))
    assert failure(empty).message == "the validation dataset gave no batch in epoch 1"


def test_arrays_have_no_steps() -> None:
    ending = train(fit_study(fit={"steps_per_epoch": 3}), assignment(1), ROWS).ending
    assert isinstance(ending, Failed) and ending.bad_study
    assert ending.message == "Study(fit=…) sets steps_per_epoch, which is for tf.data pipelines: an epoch is all rows"


def test_what_data_returns_in_a_worker() -> None:
    train_dataset, validation_dataset = pipelines().train, pipelines().validation
    made = check_made([train_dataset, validation_dataset])
    assert isinstance(made, Pipelines) and made.train is train_dataset and made.test is None
    assert isinstance(check_made((ROWS.train, ROWS.validation)), Data)
    dropping = rows(ROWS.train).batch(BATCH, drop_remainder=True)
    assert isinstance(check_made((dropping, dropping, dropping)), Pipelines)
    ragged = rows((tf.ragged.constant([[1.0], [2.0, 3.0]]), [0, 1])).batch(2)
    assert isinstance(check_made((ragged, ragged)), Pipelines)
    with pytest.raises(UserError, match="data\\(\\): train_dataset has no batches but rows, of shape \\(4,\\), \\(\\)"):
        check_made((rows(ROWS.train), validation_dataset))
