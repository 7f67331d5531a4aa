"""An urgent pause: the trial lets go at once, and nothing that it reported is lost."""

from typing import Any

import keras
import pytest

from orchestrator.training import fit
from orchestrator.training.data import Data
from orchestrator.training.link import Completed, Released
from orchestrator.training.packing import unpack
from tests.training.support import (
    EndAfter,
    FakeLink,
    Trained,
    after,
    assignment,
    fit_study,
    loop_study,
    numbers,
    resume,
    train,
)

BATCHES = 4
EPOCH = BATCHES + 1 + 1
"""How often it is asked in an epoch: after each batch, after the one of validation, and at the end."""


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


@pytest.fixture
def _epochs_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "SECONDS_TO_FINISH_AN_EPOCH", 0.0)


def network(configuration: dict[str, Any]) -> Any:
    layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
    optimizer = keras.optimizers.Adam(0.02)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


class Diary(keras.callbacks.Callback):
    """Its memory grows with every batch; it sets the rate by what it remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["batches"] = len(self.losses)
        self.model.optimizer.learning_rate = 0.01 * self.losses[0]


STUDY = fit_study(network, fit=lambda _: {"callbacks": [Diary()]})


@pytest.fixture(scope="module")
def unbroken(data: Data) -> Trained:
    return train(STUDY, assignment(4), data)


def test_a_short_epoch_is_finished(data: Data) -> None:
    done = train(fit_study(), assignment(4), data, FakeLink(pause_at=EPOCH + 2))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "saved 2, best 2"])


@pytest.mark.usefixtures("_epochs_are_long")
@pytest.mark.parametrize("question", [1, 3, BATCHES + 1])
def test_a_long_epoch_is_left_at_a_batch(data: Data, unbroken: Trained, question: int) -> None:
    """What is saved is the trial as it was after its last whole epoch, whatever the batches since have changed."""
    first = train(STUDY, assignment(4), data, FakeLink(pause_at=2 * EPOCH + question))
    assert first.ending == Released()
    assert first.link.told[:2] == [1, 2]
    (checkpoint,) = first.link.checkpoints
    assert checkpoint.name == "trial-17-attempt-1-epoch-2.npz"
    assert len(unpack(first.link.last_content)["whole"]["callbacks"][0]["values"]["losses"]) == 2 * BATCHES
    second = resume(STUDY, first, 4, data)
    assert {**first.link.curve, **second.link.curve} == unbroken.link.curve
    assert second.link.checkpoints[-1].best_epoch == unbroken.link.checkpoints[-1].best_epoch


@pytest.mark.usefixtures("_epochs_are_long")
def test_the_best_epochs_weights_come_along(data: Data) -> None:
    """The best epoch is an earlier one, whose weights are in the file too."""

    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["mine"] = float(epoch)

    study = fit_study(objective="mine", fit=lambda _: {"callbacks": [Worse()]})
    first = train(study, assignment(4), data, FakeLink(pause_at=2 * EPOCH + 1))
    assert first.link.told == [1, 2, "saved 2, best 1"]
    alone = train(study, assignment(1, max_epochs=1), data)
    best, expected = unpack(first.link.last_content)["best"], unpack(alone.link.last_content)["whole"]["model"]
    assert all((one == other).all() for one, other in zip(best, expected["weights"], strict=True))


@pytest.mark.parametrize("question", [1, EPOCH - 1])
def test_in_the_first_epoch_there_is_nothing_to_save(data: Data, question: int) -> None:
    done = train(fit_study(), assignment(4), data, FakeLink(pause_at=question))
    assert (done.ending, done.link.told) == (Released(), [])


def test_in_the_first_epoch_after_a_checkpoint_it_is_that(data: Data) -> None:
    first = train(fit_study(), assignment(1), data, FakeLink(["pause"]))
    again = FakeLink(pause_at=2)
    again.contents = first.link.contents
    done = train(fit_study(), after(first, 4), data, again)
    assert (done.ending, done.link.told) == (Released(), [])


def test_what_was_written_is_not_written_again(data: Data) -> None:
    """Nor is a short epoch finished: nothing is lost by leaving it."""
    done = train(fit_study(), assignment(4), data, FakeLink(pause_at=EPOCH + 1), every=0.0)
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])


def test_between_epochs(data: Data) -> None:
    """Before it asks what follows."""
    done = train(fit_study(), assignment(1), data, FakeLink(pause_at=EPOCH))
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])


def test_a_stop_may_follow(data: Data) -> None:
    """The epoch that was to be finished is left after all, and only the best weights are saved."""
    link = FakeLink(pause_at=EPOCH + 1, stop_at=EPOCH + 3)
    done = train(fit_study(), assignment(4), data, link)
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])
    assert done.link.checkpoints[0].name.endswith("-best.npz")


def test_a_trial_that_ends_meanwhile_has_ended(data: Data) -> None:
    late = train(fit_study(), assignment(2, max_epochs=2), data, FakeLink(pause_at=EPOCH + 2))
    assert late.ending == Completed("reached epoch 2")
    study = fit_study(fit=lambda _: {"callbacks": [EndAfter(2)]})
    by_itself = train(study, assignment(4), data, FakeLink(pause_at=EPOCH + 2))
    assert by_itself.ending == Completed("training ended by itself after epoch 2 of 4")


@pytest.mark.parametrize("leave", ["break", "next epoch", "report nevertheless"])
def test_a_loop_is_told_to_leave_a_long_epoch(leave: str) -> None:
    """What is reported of the partial epoch is not passed on, what is saved in it is not written."""

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.save(epoch=epoch)
            if ctx.should_stop and leave == "break":
                break
            if not ctx.should_stop or leave == "report nevertheless":
                ctx.report({"val_loss": 1.0})

    done = train(loop_study(loop), assignment(4), None, FakeLink(pause_at=4))
    assert (done.ending, done.link.told) == (Released(), [1, "saved 1, best 1"])


def test_a_loop_that_leaves_after_its_report_has_not_ended_by_itself() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.report({"val_loss": 1.0})
            ctx.save(epoch=epoch)
            if ctx.should_stop:
                return

    done = train(loop_study(loop), assignment(4), None, FakeLink(pause_at=3))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "saved 2, best 1"])


def test_a_loop_that_does_not_look_pauses_at_its_epochs_end() -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            ctx.save(epoch=epoch)
            ctx.report({"val_loss": 1.0})

    done = train(loop_study(loop), assignment(4), None, FakeLink(pause_at=2))
    assert (done.ending, done.link.told) == (Released(), [1, 2, "saved 2, best 1"])
