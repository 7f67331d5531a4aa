"""The lock: a living driver's is respected, a dead one's is taken over, on this machine and on another."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.lock import DEAD_SECONDS, FILE, Lock, holder_of

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.lock import Lock
Lock(Path(sys.argv[1])).take(session_dir="/ray/session")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_living_holder_is_named(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"held by another driver, pid {holder.pid} on {socket.gethostname()}"):
        Lock(tmp_path).take()
    assert holder_of(tmp_path)["pid"] == holder.pid


def test_a_killed_holder_is_taken_over_and_has_left_what_it_wrote(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    holder.kill()
    holder.wait()
    assert holder_of(tmp_path) == {}
    lock = Lock(tmp_path)
    before = {"host": socket.gethostname(), "pid": holder.pid, "session_dir": "/ray/session"}
    assert lock.take().items() >= before.items()
    assert holder_of(tmp_path)["pid"] == os.getpid()
    lock.release()
    assert not (tmp_path / FILE).exists()


def write_of_another_machine(folder: Path, silent: float) -> None:
    (folder / FILE).write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    then = time.time() - silent
    os.utime(folder / FILE, (then, then))


def test_a_holder_on_another_machine_lives_as_long_as_it_touches_the_file(tmp_path: Path) -> None:
    write_of_another_machine(tmp_path, silent=DEAD_SECONDS / 2)
    assert holder_of(tmp_path)["host"] == "elsewhere"
    with pytest.raises(UserError, match="pid 7 on elsewhere"):
        Lock(tmp_path).take()
    write_of_another_machine(tmp_path, silent=DEAD_SECONDS + 1)
    assert holder_of(tmp_path) == {}
    assert Lock(tmp_path).take()["pid"] == 7


def test_a_holder_that_was_taken_over_while_it_slept_writes_nothing_more(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    lock.check()
    write_of_another_machine(tmp_path, silent=0.0)
    with pytest.raises(UserError, match="another driver has taken"):
        lock.check()


def test_and_leaves_the_new_holders_lock_alone(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    write_of_another_machine(tmp_path, silent=0.0)
    lock.release()
    assert holder_of(tmp_path)["host"] == "elsewhere"


def test_the_same_pid_elsewhere_is_somebody_else(tmp_path: Path) -> None:
    """As in two containers of one name."""
    lock = Lock(tmp_path)
    lock.take()
    found = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**found, "token": "another"}))
    with pytest.raises(UserError, match="another driver has taken"):
        lock.check()


def test_its_file_gone_it_holds_nothing(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    (tmp_path / FILE).unlink()
    with pytest.raises(UserError, match="another driver has taken"):
        lock.check()
    lock.release()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"pid": "x"}'])
def test_whatever_stands_in_it_a_lock_that_nobody_holds_is_free(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    os.utime(tmp_path / FILE, (0, 0))
    Lock(tmp_path).take()
