"""Between the training thread of a worker and the calls that reach it: the commands, the stops and the messages."""

import hashlib
import threading
from pathlib import Path
from typing import Any

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.files import write_whole
from orchestrator.scheduler.events import AnyEvent, CheckpointSaved, TrialReported
from orchestrator.training.link import Verdict
from orchestrator.workers.messages import AnyMessage, Command, PauseTrial, Said, Stored

LATER = 0.0
"""In place of an event's `at`, which the backend sets when it arrives: the backend owns time."""


class Inbox:
    """Commands in the order they were sent, whatever order they arrive in, and stops, which overtake them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: dict[int, Command] = {}
        self._next = 0
        self._done = 0
        self._stopped: set[tuple[int, int]] = set()

    def put(self, number: int, command: Command) -> None:
        with self._changed:
            self._commands[number] = command
            self._changed.notify_all()

    def wait_done(self, number: int) -> None:
        """Until the command with this number is carried out."""
        with self._changed:
            self._changed.wait_for(lambda: self._done > number)

    def stop(self, trial: int, attempt: int) -> None:
        with self._changed:
            self._stopped.add((trial, attempt))
            self._changed.notify_all()

    def is_stopped(self, trial: int, attempt: int) -> bool:
        return (trial, attempt) in self._stopped

    def forget_stop(self, trial: int, attempt: int) -> None:
        with self._changed:
            self._stopped.discard((trial, attempt))

    def next(self) -> Command:
        """Wait for the next command; the one before it is done."""
        with self._changed:
            self._finish()
            self._changed.wait_for(lambda: self._next in self._commands)
            return self._take()

    def next_of(self, trial: int, attempt: int) -> Verdict:
        """Wait for what follows for a trial that is held in memory; what it was told before is done."""
        with self._changed:
            self._finish()
            while True:
                if (trial, attempt) in self._stopped:
                    return "stop"
                match self._commands.get(self._next):
                    case Assignment() as following if (following.trial, following.attempt) == (trial, attempt):
                        self._take()
                        return following
                    case PauseTrial() as pause if (pause.trial, pause.attempt) == (trial, attempt):
                        self._take()
                        return "pause"
                self._changed.wait()

    def _take(self) -> Command:
        self._next += 1
        return self._commands.pop(self._next - 1)

    def _finish(self) -> None:
        self._done = self._next
        self._changed.notify_all()


class Outbox:
    """Messages on their way out; whatever has gathered travels together."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: list[AnyMessage] = []

    def put(self, message: AnyMessage) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def take(self) -> list[AnyMessage]:
        """Wait for messages, and take all there are."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages)
            messages, self._messages = self._messages, []
            return messages


class Store:
    """Checkpoint files: in the run directory where this worker sees it, else by way of the driver."""

    def __init__(self, folder: Path | None, outbox: Outbox) -> None:
        self.folder = folder
        self.received: dict[str, bytes] = {}
        """Files that the driver sent along with a command."""
        self._outbox = outbox

    def save(self, name: str, content: bytes) -> None:
        if self.folder is None:
            self._outbox.put(Stored(name, content))
        else:
            write_whole(self.folder / name, content)

    def load(self, checkpoint: Checkpoint) -> bytes:
        content = self.received.pop(checkpoint.name, None)
        if content is None:
            if self.folder is None:
                raise OSError(f"checkpoint {checkpoint.name} was not sent to this worker")
            content = (self.folder / checkpoint.name).read_bytes()
        if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
            raise OSError(f"checkpoint {checkpoint.name} is damaged: its hash is not the one in the journal")
        return content


class TrialLink:
    """One trial's `training.link.Link`."""

    def __init__(self, assignment: Assignment, inbox: Inbox, outbox: Outbox, store: Store) -> None:
        self._trial = assignment.trial
        self._attempt = assignment.attempt
        self._inbox = inbox
        self._outbox = outbox
        self._store = store

    def say(self, event: AnyEvent) -> None:
        self._outbox.put(Said(event))

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        identity: dict[str, Any] = {"at": LATER, "trial": self._trial, "attempt": self._attempt}
        self.say(TrialReported(**identity, epoch=epoch, metrics=metrics, seconds=seconds))

    def stop_requested(self) -> bool:
        return self._inbox.is_stopped(self._trial, self._attempt)

    def verdict(self) -> Verdict:
        return self._inbox.next_of(self._trial, self._attempt)

    def save(self, checkpoint: Checkpoint, content: bytes) -> None:
        self._store.save(checkpoint.name, content)
        self.say(CheckpointSaved(at=LATER, trial=self._trial, attempt=self._attempt, checkpoint=checkpoint))

    def load(self, checkpoint: Checkpoint) -> bytes:
        return self._store.load(checkpoint)
