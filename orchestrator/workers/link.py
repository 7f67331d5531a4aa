"""Between the training thread of a worker and the calls that reach it: commands, interruptions and messages."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.scheduler.events import (
    AnyEvent,
    CheckpointDelayed,
    CheckpointSaved,
    TrialBuilt,
    TrialReleased,
    TrialReported,
)
from orchestrator.training.link import Activity, Interruption, Verdict
from orchestrator.workers.messages import AnyMessage, Command, PauseTrial, Said
from orchestrator.workers.stopwatch import Stopwatch
from orchestrator.workers.store import Store

if TYPE_CHECKING:
    from orchestrator.workers.saver import Saver
    from orchestrator.workers.title import Title

LATER = 0.0
"""In place of an event's `at`, which the backend sets when it arrives: the backend owns time."""
TELL_IN_TRIAL = 60.0
"""Seconds; how often a trial that takes long says what its worker's time goes into."""


class Inbox:
    """Commands in the order they were sent, whatever order they arrive in, and interruptions, which overtake them."""

    def __init__(self, before_waiting: Callable[[], None] = lambda: None) -> None:
        """`before_waiting` is called when there is nothing to do until somebody sends something."""
        self._before_waiting = before_waiting
        self._changed = threading.Condition()
        self._commands: dict[int, Command] = {}
        self._next = 0
        self._done = 0
        self._awaited: dict[int, threading.Event] = {}
        """Commands that somebody waits for to be done."""
        self._interrupted: dict[tuple[int, int], Interruption] = {}

    def put(self, number: int, command: Command) -> None:
        with self._changed:
            self._commands[number] = command
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        return self._next not in self._commands

    def wait_done(self, number: int) -> None:
        """Until the command with this number is carried out."""
        with self._changed:
            done = self._awaited.setdefault(number, threading.Event())
            if self._done > number:
                self._awaited.pop(number).set()
        done.wait()

    def interrupt(self, trial: int, attempt: int, how: Interruption) -> None:
        """A stop may follow a pause."""
        with self._changed:
            self._interrupted[trial, attempt] = how
            self._changed.notify_all()

    def interruption(self, trial: int, attempt: int) -> Interruption | None:
        return self._interrupted.get((trial, attempt))

    def forget_interruption(self, trial: int, attempt: int) -> None:
        with self._changed:
            self._interrupted.pop((trial, attempt), None)

    def next(self) -> Command:
        """Wait for the next command; the one before it is done."""
        with self._changed:
            self._finish()
            if self._next not in self._commands:
                self._before_waiting()
                self._changed.wait_for(lambda: self._next in self._commands)
            return self._take()

    def next_of(self, trial: int, attempt: int) -> Verdict:
        """Wait for what follows for a trial that is held in memory; what it was told before is done."""
        with self._changed:
            self._finish()
            while True:
                if (how := self._interrupted.get((trial, attempt))) is not None:
                    return how
                match self._commands.get(self._next):
                    case Assignment() as following if (following.trial, following.attempt) == (trial, attempt):
                        self._take()
                        return following
                    case PauseTrial() as pause if (pause.trial, pause.attempt) == (trial, attempt):
                        self._take()
                        return "pause"
                self._before_waiting()
                self._changed.wait()

    def _take(self) -> Command:
        self._next += 1
        return self._commands.pop(self._next - 1)

    def _finish(self) -> None:
        self._done = self._next
        if (awaited := self._awaited.pop(self._done - 1, None)) is not None:
            awaited.set()


class Outbox:
    """Messages on their way out; whatever has gathered travels together.

    The driver's time goes into journeys more than into what travels. So after one the next begins `gather` seconds
    later, unless it is urgent: somebody waits for the answer, or it is not what a trial has said. What comes after a
    time of silence leaves at once.
    """

    def __init__(self, gather: float = 0.0) -> None:
        self._gather = gather
        self._changed = threading.Condition()
        self._messages: list[AnyMessage] = []
        self._urgent = False
        self._taken_at = -inf
        self._process = os.getpid()

    def put(self, message: AnyMessage) -> None:
        if os.getpid() != self._process:
            os._exit(1)  # Forked by the user's code: a copy of the worker, which must not go on as if it were one.
        with self._changed:
            self._messages.append(message)
            if not isinstance(message, Said):
                self._urgent = True
            if self._urgent or len(self._messages) == 1:
                self._changed.notify()

    def hurry(self) -> None:
        """What is there leaves at once."""
        with self._changed:
            if self._messages:
                self._urgent = True
                self._changed.notify()

    def take(self) -> list[AnyMessage]:
        """Wait for messages and for the time to send them, and take all there are."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages)
            self._changed.wait_for(lambda: self._urgent, self._taken_at + self._gather - time.monotonic())
            messages, self._messages = self._messages, []
            self._urgent = False
            self._taken_at = time.monotonic()
            return messages


class TrialLink:
    """One trial's `training.link.Link`."""

    def __init__(
        self,
        assignment: Assignment,
        inbox: Inbox,
        outbox: Outbox,
        store: Store,
        saver: "Saver",
        stopwatch: Stopwatch,
        title: "Title",
    ) -> None:
        self._trial = assignment.trial
        self._attempt = assignment.attempt
        self._inbox = inbox
        self._outbox = outbox
        self._store = store
        self._saver = saver
        self._stopwatch = stopwatch
        self._title = title
        self._max_epochs = assignment.max_epochs
        title.show(self._trial, assignment.after_epoch + 1, self._max_epochs)

    def say(self, event: AnyEvent) -> None:
        self._saver.in_turn(partial(self._outbox.put, Said(event)), late=self._outbox.hurry)

    def built(self, structure: str, reused: bool) -> None:
        self.say(TrialBuilt(at=LATER, trial=self._trial, attempt=self._attempt, structure=structure, reused=reused))

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        identity: dict[str, Any] = {"at": LATER, "trial": self._trial, "attempt": self._attempt}
        self.say(TrialReported(**identity, epoch=epoch, metrics=metrics, seconds=seconds))
        self._stopwatch.tell(every=TELL_IN_TRIAL)
        self._title.show(self._trial, epoch + 1, self._max_epochs)

    def interruption(self) -> Interruption | None:
        return self._inbox.interruption(self._trial, self._attempt)

    def verdict(self) -> Verdict:
        with self._stopwatch.during("wait"):
            return self._inbox.next_of(self._trial, self._attempt)

    def save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        with self.during("checkpoint"):
            self._saver.save(partial(self._save, pack))

    def _save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        """A refusal delays the trial, unless it is to be stopped."""
        checkpoint, content = pack()
        saved = self._store.save(checkpoint.name, content, delayed=self.delayed, abandoned=self._is_stopped)
        if saved:
            self._outbox.put(
                Said(CheckpointSaved(at=LATER, trial=self._trial, attempt=self._attempt, checkpoint=checkpoint))
            )

    def end(self, event: AnyEvent) -> None:
        """The last that is said of this attempt here."""
        self._title.clear()
        self._saver.then(partial(self._end, event), ends_by_itself=not isinstance(event, TrialReleased))

    def _end(self, event: AnyEvent) -> None:
        self._inbox.forget_interruption(self._trial, self._attempt)
        self._outbox.put(Said(event))
        if self._inbox.is_empty:
            self._outbox.hurry()

    def load(self, checkpoint: Checkpoint) -> bytes:
        with self._stopwatch.during("checkpoint"):
            return self._store.load(checkpoint)

    def during(self, activity: Activity) -> AbstractContextManager[None]:
        return self._stopwatch.during(activity)

    def delayed(self, reason: str) -> None:
        self._outbox.put(Said(CheckpointDelayed(at=LATER, trial=self._trial, attempt=self._attempt, reason=reason)))

    def _is_stopped(self) -> bool:
        return self.interruption() == "stop"
