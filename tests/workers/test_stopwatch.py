"""What a worker's time goes into: each second once, also where activities lie within each other or overlap."""

import hashlib
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.scheduler.events import TrialBuilt, TrialReported, WorkerSpent
from orchestrator.storage import Folder
from orchestrator.workers.link import LATER, TELL_IN_TRIAL, Inbox, Outbox, TrialLink
from orchestrator.workers.messages import Said
from orchestrator.workers.saver import Saver
from orchestrator.workers.stopwatch import Stopwatch
from orchestrator.workers.store import Store
from orchestrator.workers.title import Title


class Told:
    """A stopwatch by a clock that a test moves, and what it told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[dict[str, float]] = []
        self.watch = Stopwatch("start", self.said.append, since=98.0, clock=lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def told() -> Told:
    return Told()


def test_an_activity_within_another_pauses_it(told: Told) -> None:
    told.wait(1)
    with told.watch.during("data"):
        told.wait(4)
        with told.watch.during("checkpoint"):
            told.wait(8)
        told.wait(16)
    told.wait(32)
    told.watch.tell()
    assert told.said == [{"start": 2 + 1 + 32, "data": 4 + 16, "checkpoint": 8}]


def test_what_is_raised_ends_an_activity(told: Told) -> None:
    with suppress(KeyError), told.watch.during("checkpoint"):
        told.wait(1)
        raise KeyError
    told.wait(2)
    told.watch.tell()
    assert told.said == [{"start": 4, "checkpoint": 1}]


def test_nothing_is_told_twice_or_left_out(told: Told) -> None:
    told.wait(1)
    told.watch.tell(then="train")
    told.wait(2)
    with told.watch.during("wait"):
        told.wait(4)
        told.watch.tell()
        told.wait(8)
    told.watch.tell()
    assert told.said == [{"start": 3}, {"train": 2, "wait": 4}, {"wait": 8, "train": 0}]


def test_it_is_told_no_more_often_than_asked_for(told: Told) -> None:
    told.watch.tell(then="train")
    for _ in range(9):
        told.wait(1)
        told.watch.tell(every=3)
    assert told.said[1:] == [{"train": 3}] * 3


def test_other_threads_cost_the_one_that_is_watched_nothing(told: Told) -> None:
    def save() -> None:
        with told.watch.during("checkpoint"):
            told.wait(1)

    thread = threading.Thread(target=save)
    thread.start()
    thread.join()
    told.watch.tell()
    assert told.said == [{"start": 3}]


def test_a_trials_link_knows_its_activities(told: Told, tmp_path: Path) -> None:
    """Waiting for a verdict is waiting, loading goes into checkpoints, and a long trial tells meanwhile."""
    outbox = Outbox()
    inbox = Inbox()

    class SlowFolder(Folder):
        def read(self, name: str) -> bytes:
            told.wait(2)
            return super().read(name)

    watch = Stopwatch(
        "train",
        lambda seconds: outbox.put(Said(WorkerSpent(at=LATER, worker=3, seconds=seconds))),
        clock=lambda: told.now,
    )
    folder = SlowFolder(tmp_path)
    store = Store(folder, outbox)
    given = Assignment(trial=1, attempt=1, configuration={}, seed=0, after_epoch=0, to_epoch=9, max_epochs=9)
    link = TrialLink(given, inbox, outbox, store, Saver(outbox), watch, Title())
    with link.during("build"):
        told.wait(1)
    link.built("dense", reused=False)
    folder.write("a.npz", b"a")
    sha256 = hashlib.sha256(b"a").hexdigest()
    assert link.load(Checkpoint(name="a.npz", trial=1, epoch=1, best_epoch=1, bytes=1, sha256=sha256)) == b"a"
    inbox.interrupt(1, 1, "stop")
    assert link.verdict() == "stop"
    link.report(1, {"loss": 1.0}, 1.0)
    told.wait(TELL_IN_TRIAL)
    link.report(2, {"loss": 1.0}, 1.0)
    events = [message.event for message in outbox.take() if isinstance(message, Said)]
    assert isinstance(events[0], TrialBuilt) and events[0].structure == "dense"
    assert [event.epoch for event in events if isinstance(event, TrialReported)] == [1, 2]
    assert isinstance(events[-1], WorkerSpent) and events[-1].worker == 3
    assert events[-1].seconds == {"build": 1, "checkpoint": 2, "wait": 0, "train": TELL_IN_TRIAL}
