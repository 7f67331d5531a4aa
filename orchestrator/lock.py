"""`journal.lock`: who drives a run. A dead holder's lock is taken over, a living one's is not.

On one machine the kernel knows: the holder has locked the file (`flock`), and a process that ends lets go of it. On a
file system that machines share, where that may not reach from one to the other, the holder touches the file every few
seconds; a lock that another machine has not touched for a minute is a dead one's.
"""

import fcntl
import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestrator.errors import UserError

FILE = "journal.lock"
TOUCH_SECONDS = 5.0
DEAD_SECONDS = 60.0


class Lock:
    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        self._descriptor: int | None = None
        self._token = uuid4().hex
        """Tells us from another holder that has our pid on a machine of our name, as containers may."""
        self._released = threading.Event()

    def take(self, **about_us: Any) -> dict[str, Any]:
        """Hold it, with what others may want to know of us. Returns what a dead holder had written there.

        Raises:
            UserError: Somebody holds it: host and pid.
        """
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise UserError(f"{self._path} cannot be written ({error.strerror}): a run has to be locked") from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found = _read(descriptor)
                os.close(descriptor)
                raise self._held(found) from None
            if self._is_at_path(descriptor):
                break
            os.close(descriptor)  # Its holder has removed it in this very moment.
        before = _read(descriptor)
        silent = time.time() - os.fstat(descriptor).st_mtime
        if before and before.get("host") != socket.gethostname() and silent < DEAD_SECONDS:
            os.close(descriptor)
            raise self._held(before)
        self._descriptor = descriptor
        self.note(**about_us)
        threading.Thread(target=self._touch_now_and_then, name="lock", daemon=True).start()
        return before

    def note(self, **about_us: Any) -> None:
        assert self._descriptor is not None
        about_us = {"host": socket.gethostname(), "pid": os.getpid(), "token": self._token, **about_us}
        content = json.dumps(about_us).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def check(self) -> None:
        """Still ours? To be called before each write.

        Raises:
            UserError: Another driver has taken the run over while we were silent.
        """
        if not self._is_ours():
            raise UserError(f"another driver has taken {self._path.parent} over: this one ends")

    def release(self) -> None:
        if self._descriptor is None:
            return
        self._released.set()
        if self._is_ours():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _is_ours(self) -> bool:
        assert self._descriptor is not None
        return self._is_at_path(self._descriptor) and _read(self._descriptor).get("token") == self._token

    def _touch_now_and_then(self) -> None:
        while not self._released.wait(TOUCH_SECONDS):
            with suppress(OSError, TypeError):  # It has just been let go of.
                if self._is_at_path(self._descriptor or -1):
                    os.utime(self._path)

    def _held(self, holder: dict[str, Any]) -> UserError:
        who = f"pid {holder['pid']} on {holder['host']}" if "pid" in holder and "host" in holder else "another process"
        return UserError(
            f"{self._path.parent} is held by another driver, {who}: wait for it, or end it (a dead one is taken over)"
        )

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except OSError:
            return False


def holder_of(run_dir: Path) -> dict[str, Any]:
    """What the holder of a run's lock says of itself; empty if there is none, or it is dead."""
    try:
        descriptor = os.open(run_dir / FILE, os.O_RDONLY)
    except OSError:
        return {}
    try:
        found = _read(descriptor)
        if found.get("host") != socket.gethostname():
            return found if time.time() - os.fstat(descriptor).st_mtime < DEAD_SECONDS else {}
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return found
    finally:
        os.close(descriptor)
    return {}


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 65536, 0) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
