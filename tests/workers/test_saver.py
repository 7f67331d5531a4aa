"""Checkpoints beside training: what is said stays in order."""

import threading
from functools import partial

import pytest

from orchestrator.workers.link import Outbox
from orchestrator.workers.messages import Broken, WornOut
from orchestrator.workers.saver import Saver

LONG = 20.0


@pytest.fixture
def room() -> threading.Event:
    """Once it is set, there is room for a checkpoint."""
    return threading.Event()


def nothing() -> None:
    pass


def test_training_goes_on_while_a_checkpoint_is_written(room: threading.Event) -> None:
    said: list[str] = []
    saver = Saver(Outbox())
    saver.save(lambda: said.append("saved") if room.wait(LONG) else None)
    saver.then(partial(said.append, "released"))
    saver.in_turn(partial(said.append, "the next trial's report"), late=nothing)
    assert said == ["the next trial's report"]
    room.set()
    saver.wait()
    assert said == ["the next trial's report", "saved", "released"]
    saver.then(partial(said.append, "at once"))
    assert said[-1] == "at once"


def test_nothing_overtakes_the_end_of_a_trial_that_ends_by_itself(room: threading.Event) -> None:
    said: list[str] = []
    saver = Saver(Outbox())
    saver.save(lambda: said.append("saved") if room.wait(LONG) else None)
    saver.then(partial(said.append, "completed"), ends_by_itself=True)
    for epoch in (1, 2):
        saver.in_turn(partial(said.append, f"epoch {epoch}"), late=partial(said.append, "late"))
    assert said == []
    room.set()
    saver.wait()
    assert said == ["saved", "completed", "epoch 1", "late", "epoch 2", "late"]
    saver.in_turn(partial(said.append, "epoch 3"), late=partial(said.append, "late"))
    assert said[-1] == "epoch 3"


def test_one_at_a_time(room: threading.Event) -> None:
    order: list[int] = []
    saver = Saver(Outbox())
    saver.save(lambda: order.append(1) if room.wait(LONG) else None)
    threading.Timer(0.05, room.set).start()
    saver.save(partial(order.append, 2))
    assert order[0] == 1
    saver.wait()
    assert order == [1, 2]


def test_what_no_retry_mends_ends_the_worker() -> None:
    outbox = Outbox()
    saver = Saver(outbox)

    def fail() -> None:
        raise ValueError("no tree")

    saver.save(fail)
    saver.then(partial(outbox.put, WornOut("after it")))
    saver.wait()
    assert outbox.take() == [Broken("ValueError: no tree"), WornOut("after it")]
