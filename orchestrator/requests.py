"""`requests/`: what other processes ask of a run, a file each; only the driver writes the journal.

A file appears whole (it is renamed into place) and stays until what it asks for stands in the journal, so that a driver
that dies in between loses nothing: the next one finds it again, and to stop a trial twice is to stop it once. What
cannot be done is moved into `requests/refused/`, with a line that says why. Names that begin with a dot or end in
`.part` are left alone: file systems and writers use them for what is not there yet, or not any more.
"""

import getpass
import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec

from orchestrator.files import write_whole
from orchestrator.scheduler.events import Event, StopRequested, TrialStopRequested
from orchestrator.scheduler.state import State

FOLDER = "requests"
REFUSED = "refused"
LOOK_SECONDS = 0.5
LARGEST = 4096
LONGEST_NAME = 100
NAME = re.compile(r"[\w-]+\.json")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End the run, or one trial of it."""

    ask: Literal["stop"]
    by: str
    """Who asks: USER@HOST."""
    trial: int | None = None

    @property
    def reason(self) -> str:
        return f"asked to stop by {self.by[:LONGEST_NAME]}"


_decode = msgspec.json.Decoder(Request).decode


def ask_to_stop(run_dir: Path, trial: int | None = None) -> Path:
    """Leave a request. Returns its file, which is gone once the driver has taken it up.

    Raises:
        OSError: It cannot be written.
    """
    folder = run_dir / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"stop-{uuid4().hex}.json"
    write_whole(path, msgspec.json.encode(Request(ask="stop", by=_who(), trial=trial)))
    return path


def was_refused(request: Path) -> bool:
    return (request.parent / REFUSED / request.name).exists()


def drop_stops_of_run(run_dir: Path) -> Iterator[str]:
    """Called when a run is resumed: a stop that the driver before had not taken up is no reason to end this one.

    Requests about single trials stay. Yields a line for each that is dropped.
    """
    for path in _files(run_dir / FOLDER):
        try:
            request = _decode(_content(path))
            if request.trial is not None:
                continue
            path.unlink()
        except (OSError, ValueError, RecursionError):
            continue  # What is wrong with it is said once the run reads it.
        yield f"a request from before the run was resumed is dropped: {request.reason}"


class Requests:
    """The driver's side."""

    def __init__(self, run_dir: Path, state: State, say: Callable[[str], None]) -> None:
        """
        Args:
            run_dir: Of the run.
            state: Tells which trials there are.
            say: Told what is refused, and why.
        """
        self._folder = run_dir / FOLDER
        self._state = state
        self._say = say
        self._taken: set[Path] = set()
        """Those whose events the backend has, until they stand in the journal."""
        self._done: set[Path] = set()
        """Those that are not looked at again, also where they cannot be removed."""
        self._next = 0.0

    def events(self, at: float) -> list[Event]:
        """What is asked for, as events of this time of the run's clock. Cheap where nothing is."""
        if (now := time.monotonic()) < self._next:
            return []
        self._next = now + LOOK_SECONDS
        new = [path for path in _files(self._folder) if path not in self._taken | self._done]
        return [event for path in new if (event := self._event(path, at)) is not None]

    def written(self) -> None:
        """The events that were given out stand in the journal."""
        for path in self._taken:
            with suppress(OSError):
                path.unlink()
        self._done |= self._taken
        self._taken.clear()

    def _event(self, path: Path, at: float) -> Event | None:
        try:
            if not NAME.fullmatch(path.name):
                raise ValueError("not a name of a request")
            request = _decode(_content(path))
            problem = self._problem(request)
        except FileNotFoundError:
            return None  # Whoever asked has thought better of it.
        except (OSError, ValueError, RecursionError) as error:
            problem = str(getattr(error, "strerror", None) or error)
        if problem:
            self._refuse(path, problem)
            return None
        self._taken.add(path)
        if request.trial is None:
            return StopRequested(at=at, reason=request.reason)
        return TrialStopRequested(at=at, trial=request.trial, reason=request.reason)

    def _problem(self, request: Request) -> str:
        if request.trial is None:
            return ""
        trials = self._state.trials
        if not 0 <= request.trial < len(trials):
            return f"there is no trial {request.trial}"
        status = trials[request.trial].status
        return f"trial {request.trial} has ended already ({status})" if status.ended else ""

    def _refuse(self, path: Path, problem: str) -> None:
        self._done.add(path)
        self._say(f"warning: a request is refused: {problem} ({FOLDER}/{path.name[:LONGEST_NAME]})")
        with suppress(OSError):
            (self._folder / REFUSED).mkdir(exist_ok=True)
            path.rename(self._folder / REFUSED / path.name)


def _files(folder: Path) -> list[Path]:
    """In the order of their names. None where the folder is missing, or cannot be listed for now."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    names = [name for name in names if name != REFUSED and not name.startswith(".") and not name.endswith(".part")]
    return [folder / name for name in sorted(names)]


def _content(path: Path) -> bytes:
    """
    Raises:
        OSError: It cannot be read.
        ValueError: It is too long, or no plain file.
    """
    # A pipe is not waited for, and a link could name anything.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise ValueError("it is no plain file, or longer than any request")
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # Somebody whom this machine does not know, as in a container.
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
