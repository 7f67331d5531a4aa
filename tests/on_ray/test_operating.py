"""A run that is driven elsewhere: watched, told to end a trial, told to end; and what was asked too late."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from ray.cluster_utils import Cluster

from orchestrator.display.events import EventsDisplay
from orchestrator.leaderboard import read_state
from orchestrator.requests import ask_to_stop
from orchestrator.stopping import stop
from orchestrator.watching import watch
from tests.on_ray.drivers import LONGEST, Driver

ENDLESS = """
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        time.sleep(0.05)
        ctx.report({"value": configuration["x"]})

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=100_000, trials=9, stopper="none", workers=2,
)
"""


def test_a_run_is_watched_and_stopped_from_elsewhere(
    cluster: Cluster, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    driver = Driver(run_dir, cluster, "launch", str(write_study(ENDLESS)), "--run-dir", str(run_dir))
    driver.wait_for('"TrialReported"', times=4)
    command = [sys.executable, "-m", "orchestrator", "watch", str(run_dir), "--json"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watcher:
        assert watcher.stdout is not None
        opened = json.loads(watcher.stdout.readline())
        assert (opened["event"], opened["workers"], opened["cluster"]["nodes"]) == ("opened", 2, 2)

        said: list[str] = []
        stop(run_dir, 0, said.append)
        driver.wait_for('"trial":2,')
        state = read_state(run_dir)[1]
        assert str(state.trials[0].status) == "stopped" and state.trials[0].reason.startswith("asked to stop by ")
        assert state.trials[2].assignment.after_epoch == 0, "its worker has another"
        stop(run_dir, None, said.append)
        assert [line.partition(" (pid")[0] for line in said[::2]] == ["asked the driver"] * 2
        assert driver.process.wait(LONGEST) == 130
        seen = [json.loads(line) for line in watcher.stdout]
    assert watcher.returncode == 130
    assert [event["trial"] for event in seen if event["event"] == "trial_ended"] == [0]
    assert seen[-1]["event"] == "finished" and seen[-1]["outcome"] == "interrupted"
    assert [*(run_dir / "requests").iterdir()] == []
    assert watch(run_dir, EventsDisplay(out=StringIO())) == 130

    ask_to_stop(run_dir)
    ask_to_stop(run_dir, 1)
    driver = Driver(run_dir, cluster, "resume", str(run_dir))
    driver.wait_for('"TrialStopRequested"', times=2)
    driver.kill()
    state = read_state(run_dir)[1]
    assert "a request from before the run was resumed is dropped" in driver.output.read_text()
    assert state.ending is None and str(state.trials[1].status) == "stopped"
