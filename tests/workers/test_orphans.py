"""Real processes, some of them left behind; `tests/processes/test_hostile.py` kills a real driver."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.workers.orphans import end_orphans

SLEEP = "import time; time.sleep(60)"
Start = Callable[..., psutil.Process]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str = SLEEP, *arguments: str, **options: object) -> psutil.Process:
        process: subprocess.Popen[bytes] = subprocess.Popen([sys.executable, "-c", code, *arguments], **options)  # type: ignore[call-overload]
        started.append(process)
        return psutil.Process(process.pid)

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run" / "logs").mkdir(parents=True)
    return tmp_path / "run"


def session_of(tmp_path: Path, pid: int, began: float | None = None) -> Path:
    when = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(began or time.time()))
    path = tmp_path / "ray" / f"session_{when}_123456_{pid}"
    (path / "logs").mkdir(parents=True)
    return path


def a_dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_left(run_dir: Path) -> None:
    assert end_orphans(run_dir, None) == []
    assert end_orphans(run_dir / "gone", "/tmp/ray/session_2026-01-01_00-00-00_1_1") == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_prints_to_a_workers_log_ends_with_what_it_started(run_dir: Path, start: Start, stream: str) -> None:
    code = f"import os, sys, time\nif os.fork(): os.fork()\n{SLEEP}"
    with (run_dir / "logs" / "worker-3.log").open("ab") as log:
        worker = start(code, **{stream: log})
    until(lambda: len(worker.children(recursive=True)) == 2)
    family = [worker, *worker.children(recursive=True)]
    ended = end_orphans(run_dir, None)
    assert len(ended) == 3 and any(f"(pid {worker.pid})" in line for line in ended)
    assert not any(map(lives, family))
    assert end_orphans(run_dir, None) == []


def test_what_only_looks_or_is_of_another_run_lives_on(run_dir: Path, tmp_path: Path, start: Start) -> None:
    other = tmp_path / "other" / "logs"
    other.mkdir(parents=True)
    log = run_dir / "logs" / "worker-0.log"
    log.touch()
    reader = start(f"file = open({os.fspath(log)!r}); {SLEEP}")
    with (other / "worker-0.log").open("ab") as file:
        neighbour = start(stdout=file)
    with (run_dir / "logs" / "mine.txt").open("ab") as file:
        named_otherwise = start(stdout=file)
    assert end_orphans(run_dir, None) == []
    assert lives(reader) and lives(neighbour) and lives(named_otherwise)


def test_this_process_and_its_parents_are_spared(run_dir: Path) -> None:
    code = (
        "from pathlib import Path; from orchestrator.workers.orphans import end_orphans\n"
        f"print(end_orphans(Path({os.fspath(run_dir)!r}), None), 'lives')"
    )
    log = run_dir / "logs" / "worker-0.log"
    with log.open("ab") as file:
        shell = f"'{sys.executable}' -c \"{code}\"; echo lives too"
        result = subprocess.run(["sh", "-c", shell], stdout=file, cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0
    assert log.read_text() == "[] lives\nlives too\n"


def test_a_dead_drivers_session_ends(run_dir: Path, tmp_path: Path, start: Start) -> None:
    session = session_of(tmp_path, a_dead_pid())
    agent = start(f"file = open({os.fspath(session / 'logs' / 'agent.log')!r}, 'a'); {SLEEP}")
    program = tmp_path / "site-packages" / "ray" / "dashboard" / "agent.py"
    program.parent.mkdir(parents=True)
    program.write_text(SLEEP)
    titled = subprocess.Popen([sys.executable, str(program), f"--session-dir={session}"])
    looks = start(SLEEP, str(session / "logs"))
    until(lambda: (session / "logs" / "agent.log").exists())
    ended = end_orphans(run_dir, str(session))
    titled.wait(10)
    assert len(ended) == 2 and any("agent.py" in line for line in ended)
    assert not lives(agent) and lives(looks)


def test_a_session_whose_driver_lives_is_left_alone(run_dir: Path, tmp_path: Path, start: Start) -> None:
    driver = start()
    session = session_of(tmp_path, driver.pid)
    agent = start(f"file = open({os.fspath(session / 'logs' / 'agent.log')!r}, 'a'); {SLEEP}")
    until(lambda: (session / "logs" / "agent.log").exists())
    assert end_orphans(run_dir, str(session)) == []
    assert lives(agent)
    # Of a driver that had the same pid, long before.
    older = session_of(tmp_path, driver.pid, time.time() - 100_000)
    agent = start(f"file = open({os.fspath(older / 'logs' / 'agent.log')!r}, 'a'); {SLEEP}")
    until(lambda: (older / "logs" / "agent.log").exists())
    assert len(end_orphans(run_dir, str(older))) == 1


DIGITS = "9" * 30
NO_SESSIONS = [
    *("", "/", "/tmp", "ray", "../..", "/tmp/ray", "session_2026-01-01_00-00-00_1_99999999", 5, ["/tmp"]),
    *("/tmp/session_2026-99-01_00-00-00_1_1", f"/tmp/session_2026-01-01_00-00-00_1_{DIGITS}"),
    "/tmp/\0/session_2026-01-01_00-00-00_1_99999999",
]


@pytest.mark.parametrize("session", NO_SESSIONS)
def test_what_is_no_session_is_not_believed(run_dir: Path, tmp_path: Path, start: Start, session: Any) -> None:
    bystander = start(f"file = open({os.fspath(tmp_path / 'file')!r}, 'a'); {SLEEP}")
    until(lambda: (tmp_path / "file").exists())
    assert end_orphans(run_dir, session) == []
    assert lives(bystander)
