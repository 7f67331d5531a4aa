"""The command as users type it: a process of its own, which starts Ray and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.leaderboard import read_leaderboard

LONGEST = 120.0

SLOW = """
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        time.sleep(0.1)
        ctx.report({"value": configuration["x"]})

study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs=1000, trials=9)
"""


class Command:
    """`python -m orchestrator launch …` in a folder of its own, in a session of its own as in a terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", "launch", *arguments],
                cwd=folder,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.seen: set[psutil.Process] = set()

    @property
    def run_dir(self) -> Path:
        return next((self.folder / "runs").iterdir())

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LONGEST
        while not any(text in path.read_text() for path in self.folder.glob("runs/*/journal.jsonl")):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            self.look_around()
            time.sleep(0.1)

    def look_around(self) -> None:
        self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> int:
        code = self.process.wait(LONGEST)
        assert [process for process in self.seen if process.is_running()] == [], "nothing is left behind"
        return code


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "slow.py").write_text(SLOW)
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} <= {
        *("slow.py", "ray.py", "numpy.py", "json.py"),
        *("output.txt", "runs"),
    }


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly(folder: Path, asked: signal.Signals) -> None:
    command = Command(folder, "slow.py", "--workers", "1")
    command.wait_for('"TrialReported"')
    command.process.send_signal(asked)
    assert command.end() == 130

    frame = read_leaderboard(command.run_dir)
    assert {"waiting"} <= set(frame["status"]) <= {"waiting", "paused"}
    assert frame["reason"][frame["status"] == "waiting"].str.startswith("interrupted by ").all()
    assert (command.run_dir / "leaderboard.csv").exists()
    assert not (command.run_dir / "journal.lock").exists()
    assert f"resume runs/{command.run_dir.name}" in command.output.read_text()
    assert "Traceback" not in command.output.read_text()


def test_a_second_ctrl_c_ends_it_at_once(folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW.replace("time.sleep(0.1)", "time.sleep(0.1 if epoch == 1 else 60)"))
    command = Command(folder, "slow.py", "--workers", "1", "--stopper", "none")
    command.wait_for('"TrialReported"')
    command.process.send_signal(signal.SIGINT)
    command.wait_for('"EndRun"')
    command.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert command.end() == 130
    assert time.monotonic() - began < 15
    assert (command.run_dir / "leaderboard.csv").exists()
    assert "Traceback" not in command.output.read_text()


def test_one_json_object_a_line_among_files_called_like_libraries(folder: Path) -> None:
    for name in ("ray.py", "numpy.py", "json.py"):
        (folder / name).write_text(SLOW)
    command = Command(folder, "ray.py", "--json", "--trials", "2", "--epochs", "3", "--stopper", "none")
    command.wait_for('"TrialReported"')
    assert command.end() == 0
    lines = [json.loads(line) for line in command.output.read_text().splitlines()]
    assert lines[-1]["event"] == "finished" and lines[-1]["outcome"] == "done"
    assert sum(line["event"] == "trial_ended" for line in lines) == 2
