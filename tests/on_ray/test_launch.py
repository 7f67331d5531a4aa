"""Whole runs on real Ray workers with real TensorFlow."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.assembly import make_scheduler
from orchestrator.errors import RunFailed, UserError
from orchestrator.journal import read_journal
from orchestrator.leaderboard import leaderboard, read_leaderboard
from orchestrator.run import Run
from orchestrator.scheduler.events import Event, TrialCompleted, WorkerJoined, WorkerSpent
from orchestrator.scheduler.instructions import Pause, Train
from orchestrator.scheduler.spending import waiting_share
from orchestrator.scheduler.state import State
from orchestrator.scheduler.validation import validate
from orchestrator.settings import resolve
from orchestrator.studies import digits_mlp

Launch = Callable[..., Run]
Write = Callable[..., Path]

LOOP = """
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        ctx.report({"value": configuration["x"] * (1 - 0.5**epoch)})

study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs=9, stopper="none")
"""

TEN_LINES = """
import keras
from sklearn.datasets import load_breast_cancer
from orchestrator import Float, Space, Study

def build(configuration):
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(configuration["learning_rate"]), "binary_crossentropy", metrics=["accuracy"])
    return model

def data():
    x, y = load_breast_cancer(return_X_y=True)
    return (x[:400], y[:400]), (x[400:], y[400:])

space = Space(learning_rate=Float(1e-4, 1e-1, "log"))
study = Study(space=space, build=build, data=data, objective="val_accuracy", direction="max", epochs=3, trials=2)
"""


def test_early_stopping_of_the_shipped_study(run_study: Launch) -> None:
    run = run_study("digits_mlp", trials=9, epochs=9, seed=3)
    frame = run.leaderboard()
    assert run.exit_code == 0
    assert len(frame) == 9
    assert set(frame["status"]) <= {"completed", "stopped", "diverged"}
    assert list(frame["score"].dropna()) == sorted(frame["score"].dropna(), reverse=True)
    assert frame["epochs"].sum() < 9 * 9
    assert all(frame["reason"].str.len() > 0)

    written = pd.read_csv(run.dir / "leaderboard.csv")
    assert list(written.columns) == list(frame.columns)
    assert list(written["trial"]) == list(frame["trial"])

    (_, _), (x, y), *_ = digits_mlp.data()
    evaluated = run.best_model().evaluate(x, y, verbose=0, return_dict=True)
    best = json.loads((run.dir / "best" / "config.json").read_text())
    assert best["trial"] == frame["trial"].iloc[0]
    assert evaluated["accuracy"] == pytest.approx(frame["score"].iloc[0], abs=1e-6)

    kept = {path.name.split("-")[1] for path in (run.dir / "checkpoints").iterdir()}
    assert kept == {str(trial) for trial in frame["trial"].head(3)}, "only the best few trials' checkpoints stay"


def test_the_journal_of_a_real_run(run_study: Launch) -> None:
    run = run_study("digits_mlp", trials=6, epochs=9, seed=1)
    header, records = read_journal(run.dir)
    journalled = list(records)

    folded = State(run.state.objective)
    for record in journalled:
        folded.apply(record)
        validate(folded)
    pd.testing.assert_frame_equal(leaderboard(folded, header.hyperparameters), run.leaderboard())

    again = make_scheduler(digits_mlp.study, resolve(header.settings))
    decided: list[Any] = []
    for record in journalled:
        if isinstance(record, Event):
            decided += [record, *again.handle(record)]
    assert decided == journalled

    starts: set[int] = set()
    for record in journalled:
        if isinstance(record, WorkerSpent):
            assert ("start" in record.seconds) == (record.worker not in starts), "once, and first"
            starts.add(record.worker)
    assert starts == {record.worker for record in journalled if isinstance(record, WorkerJoined)}
    assert folded.timesheet.spent.keys() >= {"train", "wait", "checkpoint"}
    share = waiting_share(journalled, run.state.objective)
    assert share is None or 0 <= share < 1
    assert any(isinstance(record, Pause) for record in journalled)


def test_results_do_not_depend_on_the_number_of_workers(run_study: Launch, tmp_path: Path) -> None:
    settings = {"trials": 4, "epochs": 3, "stopper": "none", "seed": 7, "cpus_per_trial": 1}
    frames = [
        run_study("digits_mlp", **settings, workers=workers, run_dir=tmp_path / str(workers))
        .leaderboard()
        .set_index("trial")
        .sort_index()
        for workers in (1, 2)
    ]
    hyperparameters = list(digits_mlp.study.space)
    pd.testing.assert_frame_equal(frames[0][hyperparameters], frames[1][hyperparameters])
    np.testing.assert_allclose(frames[0]["score"].astype(float), frames[1]["score"].astype(float), atol=1e-6)


@pytest.mark.parametrize("name", ["my_study.py", "cluster.py", "random.py", "keras.py", "journal.py"])
def test_a_study_in_a_file_of_any_name(run_study: Launch, write_study: Write, name: str) -> None:
    text = TEN_LINES if name in ("my_study.py", "cluster.py") else LOOP
    run = run_study(write_study(text, name), trials=2)
    assert run.exit_code == 0
    assert run.leaderboard()["score"].notna().all()


def test_a_study_that_imports_a_module_beside_it(run_study: Launch, write_study: Write) -> None:
    text = LOOP.replace("configuration[", "twice.double(configuration)[").replace(
        "def train", "import twice\ndef train"
    )
    helper = "def double(configuration):\n    return {name: 2 * value for name, value in configuration.items()}\n"
    run = run_study(write_study(text, twice=helper), trials=4, epochs=1)
    frame = run.leaderboard()
    np.testing.assert_allclose(frame["score"].astype(float), frame["x"].astype(float))


def test_a_study_made_in_python(run_study: Launch, write_study: Write) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(LOOP, namespace)
    run = run_study(namespace["study"], trials=3)
    assert len(run.leaderboard()) == 3


def test_fractions_of_gpus_use_both_nodes(run_study: Launch, write_study: Write) -> None:
    slow = LOOP.replace("    for epoch", "    import time\n    for epoch").replace(
        "        ctx.report", "        time.sleep(0.2)\n        ctx.report"
    )
    run = run_study(write_study(slow), trials=8, epochs=2, gpus_per_trial=0.5, workers=4)
    _, records = read_journal(run.dir)
    journalled = list(records)
    node_of = {record.worker: record.node for record in journalled if isinstance(record, WorkerJoined)}
    used = {node_of[record.worker] for record in journalled if isinstance(record, Train)}
    assert len(node_of) == 4
    assert len(used) == 2


def test_a_request_that_no_node_can_satisfy(run_study: Launch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no node has the 1 CPUs and 7 GPUs(.|\n)*node +address"):
        run_study("digits_mlp", gpus_per_trial=7)
    assert not (tmp_path / "run").exists()


def test_a_worker_that_dies_costs_no_result(run_study: Launch, write_study: Write, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    text = LOOP.replace(
        "    for epoch", f"    import os, pathlib\n    marker = pathlib.Path({str(marker)!r})\n    for epoch"
    )
    text = text.replace(
        "        ctx.report",
        "        if epoch == 3 and configuration['x'] > 0.5 and not marker.exists():\n"
        "            marker.touch()\n            os._exit(1)\n        ctx.report",
    )
    run = run_study(write_study(text), trials=6)
    frame = run.leaderboard()
    assert marker.exists()
    assert set(frame["status"]) == {"completed"}
    assert list(frame.sort_values("trial")["epochs"]) == [9] * 6


def test_failures_and_divergence(run_study: Launch, write_study: Write) -> None:
    text = LOOP.replace(
        "    for epoch",
        "    if configuration['x'] > 0.7:\n        raise ValueError('too large')\n    for epoch",
    ).replace(
        'configuration["x"] *',
        "(float('nan') if configuration['x'] < 0.3 and epoch == 2 else 1) * configuration['x'] *",
    )
    frame = run_study(write_study(text), trials=12, seed=5).leaderboard()
    x = frame["x"].astype(float)
    assert set(frame.loc[x > 0.7, "status"]) == {"failed"}
    assert set(frame.loc[x < 0.3, "status"]) == {"diverged"}
    assert set(frame.loc[(x >= 0.3) & (x <= 0.7), "status"]) == {"completed"}
    assert frame.loc[frame["status"] != "completed", ["score", "rank"]].isna().all().all()
    assert frame["status"].iloc[0] == "completed"
    assert "too large" in frame.loc[x > 0.7, "reason"].iloc[0]


def test_the_same_exception_in_the_first_three_trials_ends_the_run(run_study: Launch, write_study: Write) -> None:
    text = LOOP.replace("    for epoch", "    raise KeyError('no_such_layer')\n    for epoch")
    run = run_study(write_study(text), trials=40)
    assert run.exit_code == 1
    assert run.state.finished is not None and "the first 3 trials failed alike" in run.state.finished.reason
    failure = run.state.trials[0].failure
    assert failure is not None and "no_such_layer" in failure.traceback and "my_study.py" in failure.where


def test_an_objective_that_is_not_reported(run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(TEN_LINES.replace('"val_accuracy"', '"val_acc"')))
    assert run.exit_code == 1
    assert run.state.finished is not None
    assert "val_acc" in run.state.finished.reason and "val_accuracy" in run.state.finished.reason


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("y[:400])", "y[:300])"), UserError, "400.*300"),
        (("    x, y = ", "    raise OSError('no disk')\n    x, y = "), RunFailed, "no disk"),
    ],
)
def test_bad_data(
    run_study: Launch, write_study: Write, tmp_path: Path, change: tuple[str, str], error: type[UserError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_study(write_study(TEN_LINES.replace(*change)))
    assert not (tmp_path / "run").exists(), "nothing is half-written"


def test_target_and_time_limit(run_study: Launch, write_study: Write, tmp_path: Path) -> None:
    slow = LOOP.replace("        ctx.report", "        __import__('time').sleep(0.05)\n        ctx.report")
    path = write_study(slow.replace("epochs=9", "epochs=10000"))
    run = run_study(path, trials=2, max_time=9.0, run_dir=tmp_path / "limited")
    assert run.exit_code == 0
    assert run.state.finished is not None and "time limit" in run.state.finished.reason
    assert set(run.leaderboard()["status"]) == {"waiting"}, "more time would let them go on"

    run = run_study(path, trials=2, target=0.05, run_dir=tmp_path / "aimed")
    assert run.state.finished is not None and "target reached: value" in run.state.finished.reason


def test_trials_that_do_not_save_start_again_when_promoted(run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(LOOP), trials=9, stopper="asha")
    frame = run.leaderboard()
    assert run.exit_code == 0
    assert (frame["status"] == "completed").any()
    assert math.isclose(frame["score"].iloc[0], frame["x"].iloc[0] * (1 - 0.5 ** frame["epoch"].iloc[0]))


def test_the_leaderboard_of_a_directory(run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(LOOP), trials=3)
    _, records = read_journal(run.dir)
    assert sum(isinstance(record, TrialCompleted) for record in records) == 3
    pd.testing.assert_frame_equal(read_leaderboard(run.dir), run.leaderboard())
