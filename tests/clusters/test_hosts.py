"""Two hosts, the product on one of them alone; the other is cut off in the middle, and the run completes."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.journal import read_journal
from orchestrator.leaderboard import read_leaderboard
from orchestrator.scheduler.events import CheckpointSaved, WorkerJoined, WorkerLost
from orchestrator.scheduler.instructions import Record, Train
from tests.clusters.hosts import ROOT, two_hosts, wait_until, why_not

GATES = """
import tensorflow as tf

@tf.function
def gate(x):
    if tf.reduce_mean(x) > 0.0:  # AutoGraph reads this, so the source has to be there.
        return x
    else:
        return 0.5 * x
"""
STUDY = """
import time
from pathlib import Path
import keras
from sklearn.datasets import load_digits
from orchestrator import Float, Space, Study
from gates import gate

class Slowly(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if not Path(CUT).exists():  # No trial ends before; the host that is cut off never sees it.
            time.sleep(0.2)

@keras.saving.register_keras_serializable()
class Gate(keras.layers.Layer):
    def call(self, x):
        return gate(x)

def build(configuration):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, activation="relu"), Gate(),
                              keras.layers.Dense(10, activation="softmax")])
    optimizer = keras.optimizers.SGD(configuration["rate"])
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def data():
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16, y[:600]), (x[600:900] / 16, y[600:900])

study = Study(space=Space(rate=Float(0.01, 0.5)), build=build, data=data, objective="val_accuracy", direction="max",
              epochs=100, trials=2, stopper="none", checkpoint_every=1, fit=lambda c: {"callbacks": [Slowly()]})
"""


def test_a_run_on_two_hosts_of_which_one_is_cut_off(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "my_study.py").write_text(STUDY.replace("CUT", repr(str(hidden / "cut"))))
    (hidden / "gates.py").write_text(GATES)
    run_dir = hidden / "run"
    out = tmp_path / "out.txt"
    with two_hosts(hidden) as hosts, out.open("w") as said:
        words = ("launch", hidden / "my_study.py", "--address", hosts.address, "--run-dir", run_dir, "--workers", 2)
        driver = subprocess.Popen(
            hosts.command("a", sys.executable, "-m", "orchestrator", *words),
            env=hosts.environment(PYTHONPATH=str(ROOT)),
            cwd=hidden,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        wait_until(lambda: both_saved(run_dir) or driver.poll() is not None, 120, "both hosts to train and save")
        assert driver.poll() is None, out.read_text()
        hosts.cut()
        (hidden / "cut").touch()
        driver.wait(timeout=150)
    assert driver.returncode == 0, out.read_text()
    assert set(read_leaderboard(run_dir)["status"]) == {"completed"}
    records = records_of(run_dir)
    nodes = {record.worker: record.node for record in records if isinstance(record, WorkerJoined)}
    assert len(set(nodes.values())) == 2
    (lost,) = [record for record in records if isinstance(record, WorkerLost) and record.cause != "dismissed"]
    assert lost.cause == "node died"
    (taken,) = {
        record.assignment.trial
        for record in records
        if isinstance(record, Train) and record.worker == lost.worker and record.assignment.attempt == 1
    }
    again = [record.assignment for record in records if isinstance(record, Train) and record.assignment.trial == taken]
    assert again[-1].attempt == 2 and again[-1].after_epoch > 0, "from its checkpoint, which came through Ray"
    assert nodes[next(r.worker for r in reversed(records) if isinstance(r, Train))] != nodes[lost.worker]


def records_of(run_dir: Path) -> list[Record]:
    return list(read_journal(run_dir)[1]) if (run_dir / "journal.jsonl").exists() else []


def both_saved(run_dir: Path) -> bool:
    """Whether a trial has trained and saved on each host."""
    records = records_of(run_dir)
    nodes = {record.worker: record.node for record in records if isinstance(record, WorkerJoined)}
    taken = {record.assignment.trial: nodes[record.worker] for record in records if isinstance(record, Train)}
    saved = {r.trial for r in records if isinstance(r, CheckpointSaved) and r.checkpoint.epoch > 0}
    return len({taken[trial] for trial in saved}) == 2
