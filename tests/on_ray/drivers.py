"""Drivers in processes of their own, which can be killed; and what is done to a run while it goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

from orchestrator.journal import read_journal
from orchestrator.scheduler.instructions import Record

LONGEST = 180.0


class Driver:
    """`python -m orchestrator launch|resume …`, joined to the tests' cluster."""

    def __init__(self, run_dir: Path, cluster: Cluster, *arguments: str) -> None:
        self.run_dir = run_dir
        self.output = run_dir.with_name(f"{run_dir.name}.output.txt")
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        with self.output.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments, "--address", cluster.address, "--json"],
                cwd=run_dir.parent,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, times: int = 1) -> None:
        wait_for(self.run_dir, text, times, lambda: self.process.poll() is None, self.output.read_text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


COUNTING = """
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    total = (ctx.restore() or {"total": 0})["total"]
    for epoch in ctx.epochs:
        time.sleep(0.25)
        total += epoch
        ctx.report({"value": total})
        ctx.save(total=total)
"""
"""The beginning of a study whose trials show by their value whether an epoch was left out or counted twice."""


def wait_for(
    run_dir: Path,
    text: str,
    times: int = 1,
    is_alive: Callable[[], bool] = lambda: True,
    told: Callable[[], str] = lambda: "",
) -> None:
    """Until the text stands in so many lines of the journal."""
    journal = run_dir / "journal.jsonl"
    deadline = time.monotonic() + LONGEST
    while not journal.exists() or sum(text in line for line in journal.read_text().splitlines()) < times:
        assert is_alive(), f"it ended before there were {times} of {text}: {told()}"
        assert time.monotonic() < deadline, f"no {text}: {told()}"
        time.sleep(0.02)


def workers_of(run_dir: Path) -> set[psutil.Process]:
    """The run's workers, and what was forked from them: those that print to its logs."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(file.fd == 1 and Path(file.path).parent == run_dir / "logs" for file in process.open_files()):
                found.add(process)
    return found


def left(processes: set[psutil.Process], seconds: float = 10.0) -> list[psutil.Process]:
    """Those that are still there after so many seconds."""
    return psutil.wait_procs(processes, timeout=seconds)[1]


@contextmanager
def meanwhile(run_dir: Path, action: Callable[[], None]) -> Iterator[None]:
    """Beside the run that is launched or resumed here. What goes wrong there is told in the end."""
    wrong: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            wrong.append(error)
            os.kill(os.getpid(), signal.SIGINT)  # Lest the run waits for ever.

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    yield
    thread.join(LONGEST)
    if wrong:
        raise wrong[0]


def records_of(run_dir: Path) -> list[Record]:
    return list(read_journal(run_dir)[1])
