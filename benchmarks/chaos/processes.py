"""The processes of a disturbed run: the cluster, the driver, and the workers, which are found by where they log to."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
STUDY = Path(__file__).with_name("study.py")
LOG = re.compile(r"worker-(\d+)\.log")
LONGEST_ANSWER = 90.0


class Broken(Exception):
    """The harness itself cannot go on."""


def environment(folder: Path) -> dict[str, str]:
    """Of the cluster and of drivers: no setting of Ray's from outside, all that Ray writes below `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "RAY_AUTH_MODE": "disabled",
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Otherwise a driver looks for the loopback address' cluster at this machine's address in the network.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # A dead node is noticed within seconds, so that a fault does not cost minutes.
        "RAY_health_check_initial_delay_ms": "2000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
    }


class Nodes:
    """The cluster, in its own process (`cluster.py`)."""

    def __init__(self, folder: Path, cpus: Iterable[float]) -> None:
        self._log = (folder / "cluster.txt").open("a")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.cluster", ",".join(f"{number:g}" for number in cpus)],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._family: set[psutil.Process] = set()
        begun = self._answer()
        self.address = str(begun["address"])
        self.raylets: dict[int, int] = dict(enumerate(begun["raylets"]))
        """Pids by node, the head first."""
        self._begun = len(self.raylets)

    def kill(self, node: int) -> None:
        self._ask(f"kill {node}")
        del self.raylets[node]

    def add(self, cpus: float) -> None:
        self.raylets[self._begun] = self._ask(f"add {cpus:g}")["raylets"][0]
        self._begun += 1

    def look_around(self) -> set[psutil.Process]:
        """All that has been seen of it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._family |= set(psutil.Process(self._process.pid).children(recursive=True))
        return self._family

    def close(self) -> None:
        family = self.look_around()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        end({*family, *_alive([self._process.pid])})
        self._log.close()

    def _ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise Broken(f"the cluster's process is gone: {error}") from error
        return self._answer()

    def _answer(self) -> Any:
        """The next line of JSON; Ray prints there too."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + LONGEST_ANSWER
        while select.select([self._process.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
            line = os.read(self._process.stdout.fileno(), 65536)
            if not line:
                break
            for part in line.splitlines():
                if part.startswith(b"{"):
                    return json.loads(part)
        raise Broken(f"the cluster did not answer, see {self._log.name}")


class Driver:
    """`python -m orchestrator …`, in a session of its own as in a terminal."""

    def __init__(self, folder: Path, output: Path, arguments: Iterable[str]) -> None:
        self._output = output
        self._begun = output.stat().st_size if output.exists() else 0
        with output.open("a") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments],
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code is not None

    def last_words(self) -> str:
        said = self._output.read_bytes()[self._begun :].decode(errors="replace").splitlines()
        return " | ".join([line for line in said if not line.startswith("{")][-3:]) or "it said nothing"


def workers_of(run_dir: Path) -> dict[int, psutil.Process]:
    """By number; those that have opened their log, which is their output."""
    found: dict[int, psutil.Process] = {}
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            path = Path(os.readlink(f"/proc/{pid}/fd/1"))  # noqa: PTH115
            if path.parent == run_dir / "logs" and (name := LOG.fullmatch(path.name)):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found[int(name[1])] = process
    return found


def end(processes: Iterable[psutil.Process]) -> None:
    """At once, and wait until they are gone."""
    left = [process for process in processes if process.is_running()]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=10)


def _alive(pids: Iterable[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
