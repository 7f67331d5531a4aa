"""The course of a trial that `fit` trains: who is told what, and when it goes on, pauses and ends."""

import math
import time
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Diverged, Failed, Released
from tests.training.support import EndAfter, FakeLink, after, assignment, fit_study, numbers, tiny, train

METRICS = {"accuracy", "loss", "val_accuracy", "val_loss"}
BATCHES = 4
VALIDATION_BATCHES = 1


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


def test_to_max_epochs(data: Data) -> None:
    """Nobody is asked at the end: the assignment says that it is the end."""
    began = time.perf_counter()
    done = train(fit_study(), assignment(4), data)
    assert done.ending == Completed("reached epoch 4")
    assert done.link.told == [1, 2, 3, 4, "saved 4, best 4"]
    assert set(done.link.curve[1]) == METRICS
    assert all(second > 0 for second in done.link.seconds)
    assert sum(done.link.seconds) < time.perf_counter() - began


def test_going_on_keeps_everything_in_memory(data: Data) -> None:
    begun: list[str] = []

    class Count(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            begun.append("train")

    study = fit_study(fit=lambda configuration: {"callbacks": Count()})
    done = train(study, assignment(1), data, FakeLink([assignment(3, after_epoch=1), assignment(4, after_epoch=3)]))
    assert done.link.told == [1, "asked", 2, 3, "asked", 4, "saved 4, best 4"]
    assert begun == ["train"]
    assert done.link.curve == train(fit_study(), assignment(4), data).link.curve


def test_pause(data: Data) -> None:
    done = train(fit_study(), assignment(2), data, FakeLink(["pause"]))
    assert done.ending == Released()
    assert done.link.told == [1, 2, "asked", "saved 2, best 2"]
    assert done.link.checkpoints[0].name == "trial-17-attempt-1-epoch-2.npz"
    assert done.link.checkpoints[0].trial == 17


@pytest.mark.parametrize(
    ("keep_above", "saved"), [(None, ["saved 1, best 1"]), (-100.0, ["saved 1, best 1"]), (0.0, [])]
)
def test_stop_saves_what_may_be_the_best(data: Data, keep_above: float | None, saved: list[str]) -> None:
    """Scores are losses turned round, so all are between -100 and 0."""
    done = train(fit_study(), assignment(1, keep_above=keep_above), data, FakeLink(["stop"]))
    assert done.ending == Released()
    assert done.link.told == [1, "asked", *saved]


def test_the_end_saves_what_may_be_the_best(data: Data) -> None:
    done = train(fit_study(), assignment(1, max_epochs=1, keep_above=0.0), data)
    assert done.ending == Completed("reached epoch 1")
    assert done.link.told == [1]


def test_keep_above_is_the_latest_assignments(data: Data) -> None:
    link = FakeLink([assignment(2, after_epoch=1, keep_above=-100.0), "stop"])
    assert train(fit_study(), assignment(1, keep_above=0.0), data, link).link.told[-1] == "saved 2, best 2"


def test_the_best_epoch_is_by_direction_and_earlier_wins_ties(data: Data) -> None:
    logged = iter([0.5, 0.9, 0.9, 0.7])

    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["mine"] = next(logged)

    study = fit_study(objective="mine", direction="max", fit=lambda configuration: {"callbacks": [Log()]})
    assert train(study, assignment(4), data).link.told[-1] == "saved 4, best 2"


def test_a_callback_ends_training(data: Data) -> None:
    study = fit_study(fit=lambda configuration: {"callbacks": [EndAfter(2)]})
    done = train(study, assignment(3), data)
    assert done.ending == Completed("training ended by itself after epoch 2 of 4")
    assert done.link.told == [1, 2, "saved 2, best 2"]


@pytest.mark.parametrize("batch", [1, 3, BATCHES + VALIDATION_BATCHES])
def test_a_stop_ends_within_a_batch(data: Data, batch: int) -> None:
    """Also while it validates. The epoch is not reported, the best weights are saved, callbacks learn of the end."""
    ended: list[int] = []

    class Last(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batch = batch

        def on_train_end(self, logs: Any = None) -> None:
            ended.append(self.batch)

    study = fit_study(fit=lambda configuration: {"callbacks": [Last()]})
    epoch = BATCHES + VALIDATION_BATCHES + 1
    done = train(study, assignment(4), data, FakeLink(stop_at=epoch + batch))
    assert done.ending == Released()
    assert done.link.told == [1, "saved 1, best 1"]
    assert ended == [min(batch, BATCHES) - 1]


def test_a_stop_in_the_first_epoch_saves_nothing(data: Data) -> None:
    done = train(fit_study(), assignment(4), data, FakeLink(stop_at=2))
    assert (done.ending, done.link.words) == (Released(), [])


def test_a_stop_that_is_seen_at_the_end_of_an_epoch_is_not_asked_about(data: Data) -> None:
    done = train(fit_study(), assignment(1), data, FakeLink(stop_at=BATCHES + VALIDATION_BATCHES + 1))
    assert done.link.told == [1, "saved 1, best 1"]


def test_checkpoints_now_and_then(data: Data) -> None:
    done = train(fit_study(), assignment(2), data, FakeLink([assignment(4, after_epoch=2)]), every=0.0)
    assert done.link.told == [
        *[1, "saved 1, best 1", 2, "asked", "saved 2, best 2", 3, "saved 3, best 3", 4, "saved 4, best 4"]
    ]


def test_a_loss_that_is_no_number_ends_at_once(data: Data) -> None:
    x, y = np.copy(data.train[0]), data.train[1]
    x[:] = np.nan
    done = train(fit_study(), assignment(4), Data((x, y), data.validation))
    assert done.ending == Diverged(1, "loss became nan in epoch 1, batch 1")
    assert done.link.words == []


class Spoil(keras.callbacks.Callback):
    """Overwrites what is logged in the second epoch."""

    def __init__(self, **logs: float) -> None:
        super().__init__()
        self.logs = logs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            logs.update(self.logs)


@pytest.mark.parametrize(
    ("logs", "reason"),
    [({"val_loss": math.inf}, "val_loss became inf in epoch 2"), ({"loss": math.nan}, "loss became nan in epoch 2")],
)
def test_an_epoch_whose_score_is_no_number_is_not_reported(data: Data, logs: dict[str, float], reason: str) -> None:
    study = fit_study(fit=lambda configuration: {"callbacks": [Spoil(**logs)]})
    done = train(study, assignment(2), data, FakeLink(["pause"]))
    assert done.ending == Diverged(2, reason)
    assert done.link.told == [1]


def test_other_metrics_may_be_anything(data: Data) -> None:
    study = fit_study(fit=lambda configuration: {"callbacks": [Spoil(val_accuracy=math.nan, table=np.eye(2))]})
    done = train(study, assignment(3, max_epochs=3), data)
    assert isinstance(done.ending, Completed)
    assert math.isnan(done.link.curve[2]["val_accuracy"])
    assert "table" not in done.link.curve[2]


@pytest.mark.parametrize("form", [np.float32, np.array, tf.constant, tf.Variable])
def test_what_callbacks_log_is_a_number_in_whatever_form(data: Data, form: Any) -> None:
    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["val_f1"] = form(0.5)

    study = fit_study(objective="val_f1", direction="max", fit=lambda configuration: {"callbacks": [Log()]})
    assert train(study, assignment(1, max_epochs=1), data).link.curve[1]["val_f1"] == 0.5


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (None, "build returned nothing: end it with `return model`"),
        (3, "build returned a builtins.int, not a keras.Model"),
        ("uncompiled", "build returned a model that is not compiled: call model.compile(optimizer=…"),
    ],
)
def test_build_returns_no_compiled_model(data: Data, built: Any, message: str) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        return keras.Sequential([keras.layers.Dense(3)]) if built == "uncompiled" else built

    ending = train(fit_study(build), assignment(1), data).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert ending.message.startswith(message)
    assert ending.where.startswith("test_fit.py:")
    assert ending.where.endswith(" in build")


def test_the_objective_is_not_reported(data: Data) -> None:
    done = train(fit_study(objective="val_acuracy", direction="max"), assignment(1), data)
    assert isinstance(done.ending, Failed)
    assert done.ending.bad_study
    assert done.ending.message == (
        "the objective 'val_acuracy' is not reported; reported are accuracy, loss, val_accuracy, val_loss; "
        "did you mean 'val_accuracy'?"
    )
    assert done.link.words == []


def test_build_may_change_its_configuration(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        configuration.clear()
        return tiny(configuration)

    given = assignment(1, max_epochs=1)
    assert isinstance(train(fit_study(build), given, data).ending, Completed)
    assert given.configuration == {"rate": 0.01}


@pytest.mark.parametrize("call", ["report", "save", "load"])
def test_what_the_link_raises_is_no_failure_of_the_users(data: Data, call: str) -> None:
    first = train(fit_study(), assignment(1), data, FakeLink(["pause"]))
    link = FakeLink(broken=call)
    link.contents = first.link.contents
    with pytest.raises(OSError, match=f"{call}: no space left"):
        train(fit_study(), after(first, 2, max_epochs=2), data, link)
