"""Contestants in turn, each command in a Python of its own, each round begun by another."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.work import Outcome, Work

ROOT = Path(__file__).parents[2]
LOG_TAIL = 3_000


class Failed(Exception):
    """A contestant did not do its work."""


@dataclass(frozen=True)
class Entry:
    """A contestant in one part."""

    label: str
    name: str
    """As `benchmarks.bench.contestants` knows it."""
    work: Work
    variables: tuple[tuple[str, str], ...] = ()
    """Of the environment."""


def in_turn(entries: Sequence[Entry], number: int) -> list[Entry]:
    """The order of a round, which another begins each time."""
    shift = number % len(entries)
    return [*entries[shift:], *entries[:shift]]


@dataclass(frozen=True)
class Ran:
    """A command that has ended; times are seconds since 1970."""

    outcome: Outcome
    began: float
    ended: float


def run_entry(entry: Entry, limit: float) -> Ran:
    """One contestant, once.

    Raises:
        Failed: It ended with an error, or took longer than `limit` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as where:
        folder = Path(where)
        entry.work.write(folder / "work.json")
        began = time.time()
        code = _run(entry, folder, limit)
        ended = time.time()
        if code != 0:
            raise Failed(
                f"{entry.label} ended with {code}:\n{(folder / 'log').read_text(errors='replace')[-LOG_TAIL:]}"
            )
        return Ran(Outcome.read(folder / "outcome.json"), began, ended)


def _run(entry: Entry, folder: Path, limit: float) -> int | str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **dict(entry.variables),
    }
    command = [sys.executable, "-m", "benchmarks.bench.contestants", entry.name, str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return f"no end after {limit:.0f} s"
        finally:
            _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """And whatever it left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
