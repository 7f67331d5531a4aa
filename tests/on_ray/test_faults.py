"""Studies that hang, crash, hog and leak: the others' results are untouched, and the leaderboard names the cause."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.run import Run
from orchestrator.scheduler.events import CheckpointDelayed, TrialFailed, WorkerLost, WorkerWornOut
from tests.disks import small_disk
from tests.on_ray.drivers import left, meanwhile, records_of, wait_for, workers_of

Launch = Callable[..., Run]
Write = Callable[..., Path]

# The trial's fault strikes in its second epoch, or in each.
STUDY = """
import os, signal, subprocess, time
from pathlib import Path
from orchestrator import Choice, Space, Study

MARKS = Path({marks!r})
kept = []

def first_time(name):
    known = (MARKS / name).exists()
    (MARKS / name).touch()
    return not known

def hangs(ctx):
    while True:
        time.sleep(0.05)

def dawdles(ctx):
    while not ctx.should_stop:
        time.sleep(0.05)

def stops(ctx):
    os.kill(os.getpid(), signal.SIGSTOP)

def exits(ctx):
    os._exit(3)

def kills(ctx):
    os.kill(os.getpid(), signal.SIGKILL)

def hogs(ctx):
    while True:
        kept.append(b"x" * 100_000_000)
        time.sleep(0.01)

def forks(ctx):
    child = os.fork()
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    other = subprocess.Popen(["sleep", "1000"])
    (MARKS / "children").write_text(f"{{child}} {{other.pid}}")

def raises(ctx):
    raise RuntimeError("no such luck")

def raises_once(ctx):
    if first_time("raised"):
        raise RuntimeError("now and then")

def memory_once(ctx):
    if first_time("allocated"):
        memory(ctx)

def memory(ctx):
    import tensorflow as tf
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

def creeps(ctx):
    time.sleep(6)

def leaks(ctx):
    kept.append(b"x" * 500_000_000)
    time.sleep(0.5)

def waits(ctx):
    if not (MARKS / "waiting").exists():
        (MARKS / "waiting.new").write_text(str(os.getpid()))
        (MARKS / "waiting.new").rename(MARKS / "waiting")
        time.sleep(1000)

def train(configuration, ctx):
    name = configuration["fault"].split("-")[0]
    total = (ctx.restore() or {{"total": 0}})["total"]
    for epoch in ctx.epochs:
        total += epoch
        if epoch == 2 and name != "good" or name == "creeps":
            globals()[name](ctx)
        ctx.report({{"value": total}})
        ctx.save(total=total)

FAULTS = {faults!r}
study = Study(
    space=Space(fault=Choice(FAULTS)), train=train, start=[{{"fault": fault}} for fault in FAULTS],
    objective="value", direction="max", epochs=3, trials=len(FAULTS), stopper="none",
)
"""
GOOD = [f"good-{number}" for number in range(3)]


@pytest.fixture
def run_faults(run_study: Launch, write_study: Write, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The rows of such a run by the trial's fault. No process of its workers is left."""

    def run(*faults: str, **settings: Any) -> dict[str, Any]:
        marks = tmp_path / "marks"
        marks.mkdir()
        study = write_study(STUDY.format(marks=str(marks), faults=[*faults, *GOOD]))
        found = run_study(study, checkpoint_every=0.1, **settings)
        assert found.exit_code == 0
        assert left(workers_of(found.dir)) == []
        rows = {row["fault"]: row for row in found.leaderboard().to_dict("records")}
        assert len(rows) == len(faults) + len(GOOD)
        for name, row in rows.items():
            if name in GOOD:
                assert (row["status"], row["score"], row["epochs"]) == ("completed", 6, 3)
        return rows

    return run


def test_faults_that_end_or_block_a_worker(
    run_faults: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.scheduler.state.KILL_SECONDS", 3.0)
    rows = run_faults(
        *("hangs", "exits", "dawdles", "kills", "stops", "hogs", "forks", "creeps"),
        retries=0,
        stall_timeout=8,
        trial_timeout=14,
        memory_per_trial="2GB",
    )
    assert {name for name, row in rows.items() if row["status"] != "completed"} == {*rows} - {"forks", *GOOD}
    for name in ("hangs", "dawdles", "stops"):
        assert (rows[name]["status"], rows[name]["reason"]) == (
            "failed",
            "timed out: no report for 8 s (--stall-timeout)",
        )
    assert rows["exits"]["reason"].startswith("its worker was lost 3 times: its process ended by itself")
    assert rows["kills"]["reason"].startswith("its worker was lost 3 times: its process ended by itself")
    assert "of at most 2.0 GB (--memory-per-trial)" in rows["hogs"]["reason"]
    assert rows["creeps"]["reason"] == "timed out: it has trained longer than 14 s (--trial-timeout)"
    assert (rows["forks"]["status"], rows["forks"]["score"]) == ("completed", 6)
    children = (tmp_path / "marks" / "children").read_text().split()
    assert [pid for pid in map(int, children) if is_alive(pid)] == []


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_faults_that_are_tried_again(run_faults: Callable[..., Any], tmp_path: Path) -> None:
    run_dir, mark = tmp_path / "run", tmp_path / "marks" / "waiting"

    def kill_a_worker() -> None:
        wait_for(run_dir, '"RunStarted"')
        while not mark.exists():
            time.sleep(0.05)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    with meanwhile(run_dir, kill_a_worker):
        rows = run_faults("raises", "raises_once", "memory_once", "memory", "waits", *(f"leaks-{n}" for n in range(12)))
    records = records_of(run_dir)
    failed = {name: row["reason"] for name, row in rows.items() if row["status"] != "completed"}
    assert failed.keys() == {"raises", "memory"}
    assert failed["raises"] == "RuntimeError: no such luck (and again when tried once more)"
    assert failed["memory"].startswith("out of memory again in a fresh worker: ")
    assert failed["memory"].endswith("ResourceExhaustedError: OOM when allocating tensor")
    assert {row["score"] for name, row in rows.items() if name not in failed} == {6}
    kinds = [record.kind for record in records if isinstance(record, TrialFailed)]
    assert sorted(kinds) == ["exception"] * 3 + ["out of memory"] * 3
    worn = [record.reason for record in records if isinstance(record, WorkerWornOut)]
    assert any("its memory grew from" in reason for reason in worn)
    assert [record.cause for record in records if isinstance(record, WorkerLost)].count("died") == 1


def test_a_disk_that_is_full_for_a_while(run_faults: Callable[..., Any], tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with small_disk(tmp_path / "probe"):
        pass  # Where none can be mounted, this test is skipped.

    def fill_and_free() -> None:
        wait_for(run_dir, '"RunStarted"')
        mount(run_dir / "checkpoints", "size=4k")
        wait_for(run_dir, '"CheckpointDelayed"')
        mount(run_dir / "checkpoints", "remount,size=4m")

    try:
        with meanwhile(run_dir, fill_and_free):
            rows = run_faults()
    finally:
        subprocess.run(["umount", "--lazy", str(run_dir / "checkpoints")], check=False)
    assert len(rows) == len(GOOD)
    delayed = [record.reason for record in records_of(run_dir) if isinstance(record, CheckpointDelayed)]
    assert delayed and all("no space left on the disk" in reason for reason in delayed)


def mount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
