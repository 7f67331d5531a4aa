"""Runs that are killed, interrupted or finished, and go on: nothing is lost, and nothing happens twice."""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray.cluster_utils import Cluster

import orchestrator
from orchestrator.display import Display
from orchestrator.errors import UserError
from orchestrator.leaderboard import read_leaderboard, read_state
from orchestrator.run import Run
from orchestrator.run_copy import fetch_run
from orchestrator.samplers import make_sampler
from orchestrator.scheduler.events import (
    CheckpointDamaged,
    CheckpointSaved,
    RunResumed,
    TrialCompleted,
    TrialReported,
)
from orchestrator.scheduler.instructions import Record, Train
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial
from search_spaces import Float, Space
from tests.on_ray.drivers import Driver, left, meanwhile, records_of, wait_for, workers_of

Write = Callable[..., Path]

STUDY = """
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    total = (ctx.restore() or {"total": 0.0})["total"]
    for epoch in ctx.epochs:
        time.sleep(0.1)
        total += configuration["x"] * epoch
        ctx.report({"value": total})
        ctx.save(total=total)

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=9, trials=9, sampler="random", stopper="none",
)
"""
SPACE = Space(x=Float(0, 1))
EVERY = 3
"""Epochs in a checkpoint interval of 0.3 s, at most."""


class Lines(Display):
    """What is said before a run goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _say(self, line: str) -> None:
        self.said.append(line)


def check_curves(state: State) -> None:
    """Each sum is the one of all epochs up to there: none was left out, or taken twice."""
    for trial in state.trials:
        x = float(trial.configuration["x"])
        for report in trial.curve:
            assert report.score == pytest.approx(x * report.epoch * (report.epoch + 1) / 2)


def finished(state: State) -> dict[int, tuple[str, list[Any]]]:
    return {trial.number: (trial.reason, trial.curve) for trial in state.trials if trial.status.ended}


def numbers(state: State, status: Status) -> set[int]:
    return set(state.by_status[status])


def after(records: list[Record]) -> list[Record]:
    """Of the last resumption."""
    return list(takewhile(lambda record: not isinstance(record, RunResumed), reversed(records)))[::-1]


def epochs_after_checkpoint(records: list[Record], trial: Trial) -> int:
    """So many were trained in vain."""
    saved = trial.checkpoint.epoch if trial.checkpoint else 0
    return sum(
        isinstance(record, TrialReported) and record.trial == trial.number and record.epoch > saved
        for record in records
    )


def test_a_killed_driver(cluster: Cluster, write_study: Write, tmp_path: Path) -> None:
    run_dir, study = tmp_path / "run", write_study(STUDY)
    options = ("--run-dir", "run", "--workers", "2", "--checkpoint-every", "0.3s")
    driver = Driver(run_dir, cluster, "launch", str(study), *options)
    try:
        driver.wait_for('"TrialCompleted"', times=2)
        with pytest.raises(UserError, match=f"held by another driver, pid {driver.process.pid} on "):
            orchestrator.resume(run_dir, quiet=True)
        driver.wait_for('"TrialReported"', times=24)
        workers = workers_of(run_dir)
        assert len(workers) == 2
    finally:
        driver.kill()
    assert left(workers) == [] and workers_of(run_dir) == set()
    before, journalled = read_state(run_dir)[1], records_of(run_dir)
    unfinished = [before.trials[number] for number in before.held]

    for file, key, value, message in [
        ("study.json", '"tensorflow": "', "2.0.0", "tensorflow is .*, and was 2.0.0.*--accept-changes"),
        ("journal.jsonl", '"format":', "99", "format 99 is not known to this version"),
    ]:
        text = (run_dir / file).read_text()
        refused(run_dir, message, lambda file=file, key=key, value=value: edit(run_dir / file, key, value))
        (run_dir / file).write_text(text)
    refused(run_dir, "the search space has changed", lambda: study.write_text(STUDY.replace("(0, 1)", "(0, 2)")))
    refused(run_dir, "code has changed .my_study.py.*--accept-changes", lambda: study.write_text(STUDY + "# later\n"))

    display = Lines()
    run = orchestrator.resume(run_dir, accept_changes=True, display=display)
    assert run.exit_code == 0
    assert f"{len(finished(before))} trials finished" in display.said[0]
    for trial in unfinished:
        assert (f"trial {trial.number} from epoch" in display.said[0]) == (trial.checkpoint is not None)
    check_nothing_lost(run, before, journalled)
    for trial in unfinished:
        assert epochs_after_checkpoint(journalled, trial) <= EVERY
    assert run.state.resumptions[0].changes == ["the study's code has changed (my_study.py)"]


def check_nothing_lost(run: Run, before: State, journalled: list[Record]) -> None:
    records = records_of(run.dir)
    assert records[: len(journalled)] == journalled
    assert {number: finished(run.state)[number] for number in finished(before)} == finished(before)
    sampler = make_sampler("random", SPACE, 0, 9)
    assert [trial.configuration for trial in run.state.trials] == [sampler.configuration(number) for number in range(9)]
    completed = Counter(record.trial for record in records if isinstance(record, TrialCompleted))
    assert completed == dict.fromkeys(range(9), 1)
    check_curves(run.state)
    pd.testing.assert_frame_equal(read_leaderboard(run.dir), run.leaderboard())


def refused(run_dir: Path, message: str, change: Callable[[], object]) -> None:
    change()
    with pytest.raises(UserError, match=message):
        orchestrator.resume(run_dir, quiet=True)


def edit(path: Path, key: str, value: str) -> None:
    """Another value for the first such key."""
    start, _, rest = path.read_text().partition(key)
    path.write_text(start + key + value + rest.lstrip("0123456789."))


def interactive() -> Any:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(STUDY, namespace)
    return namespace["study"]


def test_ctrl_c_and_damaged_checkpoints_and_more_trials_and_epochs(cluster: Cluster, tmp_path: Path) -> None:
    """Of a study that was made in Python."""
    run_dir, study = tmp_path / "run", interactive()

    def interrupt() -> None:
        wait_for(run_dir, '"Pause"', times=3)
        while not any(between_decisions(trial) for trial in read_state(run_dir)[1].trials):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    settings: dict[str, Any] = {"workers": 2, "checkpoint_every": 0.1, "stopper": "asha:grace=3", "quiet": True}
    with meanwhile(run_dir, interrupt):
        run = orchestrator.launch(study, run_dir=run_dir, **settings)
    before, journalled = run.state, records_of(run_dir)
    assert run.exit_code == 130 and not before.count(Status.RUNNING)
    paused, waiting = numbers(before, Status.PAUSED), numbers(before, Status.WAITING)
    assert paused and waiting
    assert all(trial.reason.startswith("interrupted by Ctrl-C") for trial in map(before.trials.__getitem__, waiting))
    assert sum(epochs_after_checkpoint(journalled, before.trials[number]) for number in waiting) == 0

    damaged = damage_checkpoints(run_dir, before)
    with pytest.raises(UserError, match=r"made in Python.*resume it with orchestrator\.resume"):
        orchestrator.resume(run_dir, quiet=True)
    display = Lines()
    run = orchestrator.resume(run_dir, study=study, display=display)
    assert run.exit_code == 0
    assert f"{len(paused)} paused" in display.said[0]
    assert display.said[1:] == [line for line in display.said if f"{damaged[0]} is damaged: it has 10 bytes of" in line]
    told = {
        record.name: record.reason for record in after(records_of(run_dir)) if isinstance(record, CheckpointDamaged)
    }
    assert set(told) == set(damaged)
    check_curves(run.state)
    assert {number: finished(run.state)[number] for number in finished(before)} == finished(before)
    assert len(run.state.trials) == 9 and run.state.count(Status.COMPLETED)

    before = run.state
    assert orchestrator.resume(run_dir, study=study, quiet=True).state.resumptions == before.resumptions, "all is done"
    run = orchestrator.resume(run_dir, study=study, trials="+2", quiet=True)
    assert len(run.state.trials) == 11 and run.exit_code == 0
    assert {number: finished(run.state)[number] for number in finished(before)} == finished(before)

    before = run.state
    run = orchestrator.resume(run_dir, study=study, epochs=12, quiet=True)
    assert run.exit_code == 0
    best = run.leaderboard().iloc[0]
    assert best["epochs"] == 12 and before.trials[best["trial"]].epoch == 9
    starts = [record.assignment for record in after(records_of(run_dir)) if isinstance(record, Train)]
    assert starts and all(start.after_epoch == 9 for start in starts), "the best go on from where they were"
    check_curves(run.state)


def between_decisions(trial: Trial) -> bool:
    """So that it will go on from its checkpoint, and not be judged."""
    live = trial.status in (Status.RUNNING, Status.WAITING)
    return live and trial.checkpoint is not None and trial.epoch + 1 < trial.assignment.to_epoch


def damage_checkpoints(run_dir: Path, state: State) -> list[str]:
    """A file that is too short, which is seen at once, and one that is not what was saved, which is seen when read."""
    saved = [trial for trial in state.trials if not trial.status.ended and trial.checkpoint is not None]
    read = next(trial for trial in saved if trial.status is Status.WAITING and not trial.is_due)
    other = next(trial for trial in saved if trial is not read)
    first, second = [trial.checkpoint.name for trial in (other, read) if trial.checkpoint is not None]
    os.truncate(run_dir / "checkpoints" / first, 10)
    content = bytearray((run_dir / "checkpoints" / second).read_bytes())
    content[len(content) // 2] ^= 1
    (run_dir / "checkpoints" / second).write_bytes(content)
    return [first, second]


def test_a_storage_and_a_fresh_machine(
    run_study: Callable[..., Run], write_study: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, url = write_study(STUDY), (tmp_path / "storage").as_uri()
    run = run_study(study, storage=url, checkpoint_every=0.1, max_epochs_total=20)
    before, journalled = run.state, records_of(run.dir)
    assert before.count(Status.WAITING) and run.exit_code == 0
    assert not any((run.dir / "checkpoints").iterdir())

    shutil.rmtree(run.dir)
    study.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = orchestrator.resume(f"{url}/run", max_epochs_total="+1000", quiet=True)
    assert run.dir == tmp_path / "elsewhere" / "runs" / "run" and run.exit_code == 0
    check_nothing_lost(run, before, journalled)
    assert all(epochs_after_checkpoint(journalled, trial) == 0 for trial in before.trials)
    saved = [record for record in after(records_of(run.dir)) if isinstance(record, CheckpointSaved)]
    fetch_run(f"{url}/run", tmp_path / "copy")
    assert saved and records_of(tmp_path / "copy") == records_of(run.dir)
