"""A worker's checkpoint files: into the run's storage where this worker reaches it, else by way of the driver."""

import errno
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.assignment import Checkpoint
from orchestrator.storage import Storage, why_refused
from orchestrator.workers.messages import Stored

if TYPE_CHECKING:
    from orchestrator.workers.link import Outbox

FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds between a refusal and the next try, which double."""
ASK_EVERY = 0.2
TELL_EVERY = 5.0


class Damaged(OSError):
    """The checkpoint is not what the journal says, and trying again does not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Store:
    """Where a worker saves and loads checkpoints.

    `storage` is the folder of the run's checkpoints, or None when this worker reaches it only through the driver.
    """

    def __init__(self, storage: Storage | None, outbox: "Outbox") -> None:
        self.storage = storage
        self.received: dict[str, bytes] = {}
        """Files that the driver sent along with a command."""
        self._outbox = outbox

    def save(self, name: str, content: bytes, *, delayed: Callable[[str], None], abandoned: Callable[[], bool]) -> bool:
        """Until it is written: a full disk or a network that is down delays a trial, and fails none.

        Args:
            name: A plain file name.
            content: The file.
            delayed: Told why it is not written yet, at the first refusal and every few seconds.
            abandoned: Asked while waiting; once true, nothing more is tried.

        Returns:
            Whether it is written.
        """
        storage = self.storage
        if storage is None:
            self._outbox.put(Stored(name, content))
            return True
        return _patiently(lambda: storage.write(name, content), storage, delayed, abandoned)

    def fetch(self, checkpoint: Checkpoint, *, delayed: Callable[[str], None], abandoned: Callable[[], bool]) -> bool:
        """Have a file here, to be loaded. As patient as `save`.

        Returns:
            Whether it is here.

        Raises:
            Damaged: There is none, or it is not the one that was committed.
        """

        def read() -> None:
            self.received[checkpoint.name] = self.load(checkpoint)

        if self.storage is None:
            read()
            return True
        return _patiently(read, self.storage, delayed, abandoned)

    def load(self, checkpoint: Checkpoint) -> bytes:
        """The file, verified.

        Raises:
            Damaged: There is none, or it is not the one that was committed.
            OSError: The storage refused.
        """
        content = self.received.pop(checkpoint.name, None)
        if content is None:
            content = self._read(checkpoint.name)
        if len(content) != checkpoint.bytes:
            raise Damaged(
                f"checkpoint {checkpoint.name} has {len(content):,} bytes, {checkpoint.bytes:,} by the journal"
            )
        if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
            raise Damaged(f"checkpoint {checkpoint.name} is damaged: its hash is not the one in the journal")
        return content

    def _read(self, name: str) -> bytes:
        if self.storage is None:
            raise Damaged(f"checkpoint {name} was not sent to this worker")
        try:
            return self.storage.read(name)
        except (FileNotFoundError, IsADirectoryError):
            if self.storage.is_local and not Path(self.storage.where).is_dir():
                raise OSError(errno.EIO, "the folder is not there") from None  # A share that is not mounted.
            raise Damaged(f"checkpoint {name} is missing in {self.storage.where}") from None
        except ValueError as error:
            raise Damaged(f"checkpoint {error}") from None


def _patiently(
    do: Callable[[], None], storage: Storage, delayed: Callable[[str], None], abandoned: Callable[[], bool]
) -> bool:
    """Until it is done, or abandoned. What is damaged does not get better."""
    wait, told = FIRST_WAIT, -TELL_EVERY
    while True:
        try:
            do()
            return True
        except Damaged:
            raise
        except OSError as error:
            if (now := time.monotonic()) - told >= TELL_EVERY:
                delayed(why_refused(error, storage))
                told = now
        if not _wait(wait, abandoned):
            return False
        wait = min(2 * wait, LONGEST_WAIT)


def _wait(seconds: float, abandoned: Callable[[], bool]) -> bool:
    """False as soon as it is abandoned."""
    end = time.monotonic() + seconds
    while not abandoned():
        left = end - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, ASK_EVERY))
    return False
