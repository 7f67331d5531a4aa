"""A run as a job of Ray, on a cluster that asks for a token: submitted, and stopped with everything saved."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.leaderboard import read_state

ROOT = Path(__file__).parents[2]
LONGEST = 120.0
STUDY = """
import time
from orchestrator import Float, Space, Study
import numbers_beside

def train(configuration, ctx):
    for epoch in ctx.epochs:
        time.sleep(0.05 if epoch < 4 else 3.5)  # Longer than Ray waits by default before it kills a job.
        ctx.report({"value": numbers_beside.twice(configuration["x"])})

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=100_000, trials=9, stopper="none", workers=1,
)
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With a token of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    return kept | loopback | {"PATH": path, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Of the dashboard of a cluster that knows nothing of this working tree."""
    port, output = free_port(), tmp_path / "head.txt"
    ports = {"port": free_port(), "dashboard-port": port, "dashboard-agent-listen-port": free_port()}
    options = [text for name, number in ports.items() for text in (f"--{name}", str(number))]
    command = ["ray", "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--num-cpus", "1", *options]
    with output.open("w") as file:
        head = subprocess.Popen(
            [*command, "--object-store-memory", "100000000", "--disable-usage-stats"],
            env=environment,
            cwd=tmp_path,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + LONGEST
    while "Ray runtime started" not in output.read_text():
        assert head.poll() is None and time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    ours = psutil.Process(head.pid).children(recursive=True)
    head.kill()  # It would be drained first, which takes a while.
    for process in ours:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait(LONGEST)
    psutil.wait_procs(ours, LONGEST)


def test_a_run_is_submitted_and_its_job_stopped(address: str, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "slow.py").write_text(STUDY)
    (tmp_path / "studies" / "numbers_beside.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "studies" / "numbers.py").write_text("raise ImportError('this hides a library')")
    run_dir = tmp_path / "run"

    def orchestrator(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments, "--address", address],
            env=environment | {"PYTHONPATH": str(ROOT)} | changed,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )

    launch = ["studies/slow.py", "--run-dir", str(run_dir), "--max-time", "1h"]
    refused = orchestrator("submit", *launch, RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert refused.returncode == 2 and "needs RAY_AUTH_MODE=token" in refused.stderr
    submitted = orchestrator("submit", *launch)
    assert submitted.returncode == 0, submitted.stderr
    first, *_ = submitted.stdout.splitlines()
    job = first.split()[3]
    assert first == f"submitted as job {job} to {address}" and job.startswith("slow-") and submitted.stderr == ""

    deadline = time.monotonic() + LONGEST
    while not (run_dir / "journal.jsonl").exists() or '"epoch":3' not in (run_dir / "journal.jsonl").read_text():
        assert time.monotonic() < deadline, orchestrator("stop", "--job", job).stderr
        time.sleep(0.1)
    stopped = orchestrator("stop", "--job", job)
    assert stopped.returncode == 0, stopped.stderr
    header, state = read_state(run_dir)
    assert state.finished is not None and state.finished.reason == "interrupted by SIGTERM"
    assert header.settings["max_time"] == 3600.0
    assert orchestrator("stop", "--job", job).returncode == 1, "it has ended already"
