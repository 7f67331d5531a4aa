"""Clusters that the command starts: what of them can be reached, what is left of them, and what they write down."""

import os
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.leaderboard import read_leaderboard
from orchestrator.workers.orphans import end_orphans

LONGEST = 120.0
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Of Ray, which outlive a driver that is killed."""

FORKS = """
import os, subprocess, time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    if os.fork() == 0:
        time.sleep(100)
        os._exit(0)
    subprocess.Popen(["sleep", "100"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for epoch in ctx.epochs:
        time.sleep(0.1)
        ctx.report({"value": configuration["x"]})

study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs=1000, trials=2)
"""

HOSTILE = r"""
import os
from orchestrator import Choice, Float, Space, Study

EVIL = ["=cmd()|' /C calc'!A0", "</script><script>alert(1)</script>", "\x1b[2J../../x", "a,b\n\"c\"", "-1"]

def train(configuration, ctx):
    for epoch in ctx.epochs:
        ctx.report({"value": configuration["x"], "=cmd()": 1.0, "../../../x": 2.0, "<b>\x1b[2J": 3.0})
        if configuration["x"] > 0.5:
            raise RuntimeError("\x1b]0;owned\x07 no entry with " + os.environ["SERVICE_TOKEN"] + " \udcff")

study = Study(
    name="../../evil \x1b[2J",
    space=Space(x=Float(0, 1), evil=Choice(EVIL)),
    train=train, objective="value", direction="max", epochs=2, trials=12, stopper="none",
)
"""

SECRETS = {
    "SERVICE_TOKEN": "tok-0123456789abcdef",
    "DB_PASSWORD": "correct horse battery",
    "CLOUD_SECRET_KEY": "k" * 40,
}


class Command:
    """`launch`, in a session and with a home of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        self.output = folder / "output.txt"
        self.home = folder / "home"
        self.home.mkdir()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        clean |= {"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(self.home), **environment}
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", "launch", *arguments],
                cwd=folder,
                env=clean,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.seen: set[psutil.Process] = set()

    def wait_for_report(self) -> None:
        journal = self.run_dir / "journal.jsonl"
        deadline = time.monotonic() + LONGEST
        while not (journal.exists() and '"TrialReported"' in journal.read_text()):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)
        self.seen = set(psutil.Process(self.process.pid).children(recursive=True))

    def session_dir(self) -> str:
        flag = "--session-dir="
        arguments = [argument for process in self.seen for argument in _command(process)]
        return next(argument.removeprefix(flag) for argument in arguments if argument.startswith(flag))

    def end(self) -> None:
        """However the test went."""
        with suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        self.process.kill()
        self.process.wait()
        for process in self.seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _alive(processes: set[psutil.Process]) -> dict[int, str]:
    return {
        process.pid: " ".join(_command(process)).strip()
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    }


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Command]]:
    commands: list[Command] = []
    yield commands
    for command in commands:
        command.end()


def test_no_worker_outlives_a_driver_that_is_killed(tmp_path: Path, started: list[Command]) -> None:
    (tmp_path / "study.py").write_text(FORKS)
    command = Command(tmp_path, "study.py", "--workers", "2", "--run-dir", "run")
    started.append(command)
    command.wait_for_report()
    session = command.session_dir()
    command.process.kill()
    command.process.wait()
    psutil.wait_procs([process for process in command.seen if not _is_agent(process)], timeout=10)
    assert [title for title in _alive(command.seen).values() if title not in AGENTS] == []

    ended = end_orphans(command.run_dir, session)
    assert _alive(command.seen) == {}
    assert all(line.rpartition(" (pid ")[0] in AGENTS for line in ended)
    assert end_orphans(command.run_dir, session) == []


def _is_agent(process: psutil.Process) -> bool:
    return " ".join(_command(process)).strip() in AGENTS


def test_an_open_dashboard_asks_for_the_token(tmp_path: Path, started: list[Command]) -> None:
    (tmp_path / "study.py").write_text(FORKS)
    command = Command(tmp_path, "study.py", "--workers", "1", "--run-dir", "run", "--dashboard-host", "0.0.0.0")
    started.append(command)
    command.wait_for_report()
    token = command.home / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    said = command.output.read_text()
    assert f"it asks for the token in {token}" in said and token.read_text() not in said

    listening = {
        connection.laddr
        for process in (*command.seen, psutil.Process(command.process.pid))
        for connection in _connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    open_ports = {port for ip, port in listening if not ip.removeprefix("::ffff:").startswith("127.") and ip != "::1"}
    (port,) = open_ports
    assert _status(f"http://127.0.0.1:{port}/api/jobs/") == 401
    assert _status(f"http://127.0.0.1:{port}/api/jobs/", token.read_text()) == 200


def _connections(process: psutil.Process) -> Any:
    with suppress(psutil.Error):
        return process.net_connections("inet")
    return []


def _status(url: str, token: str = "wrong") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token != "wrong" else {})
    try:
        return int(urllib.request.urlopen(request, timeout=30).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_hostile_study_leaves_names_as_text_and_no_secret(tmp_path: Path, started: list[Command]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "study.py").write_text(HOSTILE)
    command = Command(folder, "study.py", "--workers", "1", "--seed", "1", "--retries", "0", **SECRETS)
    started.append(command)
    assert command.process.wait(LONGEST) in (0, 1)
    output = command.output.read_text(errors="strict")
    assert "\x1b" not in output and "\x07" not in output

    assert {path.name for path in tmp_path.iterdir()} == {"here"}
    assert {path.name for path in folder.iterdir()} == {"study.py", "output.txt", "home", "runs"}
    (run_dir,) = (folder / "runs").iterdir()
    assert run_dir.name.startswith("evil-")
    statuses = set(read_leaderboard(run_dir)["status"])
    assert {"completed", "failed"} <= statuses
    for path in [*run_dir.rglob("*"), command.output]:
        if path.is_file():
            content = path.read_bytes()
            assert [name for name, value in SECRETS.items() if value.encode() in content] == [], path
    assert "***SERVICE_TOKEN***" in (run_dir / "journal.jsonl").read_text()
    header, *rows = (run_dir / "leaderboard.csv").read_text().splitlines()
    assert "'=cmd()" in header and not any(row.startswith(("=", "@")) or ",=" in row for row in rows)
