"""Studies whose data is made in the workers, on real ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import RunFailed, UserError
from orchestrator.run import Run
from orchestrator.simulation.plan import plan

Launch = Callable[..., Run]
Write = Callable[..., Path]

STUDY = """
import keras
import numpy as np
import tensorflow as tf
from orchestrator import Choice, Float, Space, Study

def data(configuration):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int64")
    rows = tf.data.Dataset.from_tensor_slices((x, y))
    train = rows.take(200).shuffle(200, seed=3).batch(configuration["batch_size"])
    print("made for batches of", configuration["batch_size"], flush=True)
    return train, rows.skip(200).batch(100)

def build(configuration):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(configuration["rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

study = Study(
    space=Space(rate=Float(1e-2, 1e-1, "log"), batch_size=Choice([20, 50])), build=build, data=data,
    data_per_worker=True, objective="val_accuracy", direction="max", epochs=4, trials=6, stopper="asha:grace=1,eta=2",
)
"""

ONCE = STUDY.replace("data(configuration)", "data()").replace('configuration["batch_size"]', "20")
ONCE = ONCE.replace(", batch_size=Choice([20, 50])", "")

LOOP = """
import os
from orchestrator import Float, Space, Study

def data():
    print("made in", os.getpid(), flush=True)
    return {"process": os.getpid(), "function": lambda x: 2 * x}

def train(configuration, ctx):
    assert ctx.data["process"] == os.getpid()
    for epoch in ctx.epochs:
        ctx.report({"value": ctx.data["function"](configuration["x"]) * epoch})

study = Study(
    space=Space(x=Float(0, 1)), train=train, data=data, data_per_worker=True, objective="value", direction="max",
    epochs=3, trials=8, stopper="none",
)
"""


def made(run: Run, what: str) -> list[str]:
    logs = [path.read_text(encoding="utf-8") for path in sorted((run.dir / "logs").glob("worker-*.log"))]
    return [line for log in logs for line in log.splitlines() if line.startswith(what)]


def test_pipelines_of_the_configuration(run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(STUDY))
    frame = run.leaderboard()
    assert run.exit_code == 0 and len(frame) == 6
    assert set(frame["status"]) <= {"completed", "stopped"} and frame["score"].iloc[0] > 0.8
    assert frame["epochs"].sum() < 6 * 4, "some were stopped early"
    lines = made(run, "made for batches of ")
    assert len(lines) >= 6, "at least once for each trial"
    assert {line.rpartition(" ")[2] for line in lines} == {str(size) for size in frame["batch_size"]}
    assert (run.dir / "best" / "model.keras").exists()


def test_data_that_cannot_be_sent_is_made_once_in_each_worker(run_study: Launch, write_study: Write) -> None:
    """A function among it, as in a loop of the user's own."""
    run = run_study(write_study(LOOP))
    assert run.exit_code == 0 and (run.leaderboard()["status"] == "completed").all()
    lines = made(run, "made in ")
    assert 1 <= len(lines) == len(set(lines)) <= 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("    print", "    raise OSError('no network')\n    print"), "data() raised OSError: no network"),
        (("train, rows.skip", "rows, rows.skip"), "data(): train_dataset has no batches but rows, of shape (4,), ()"),
    ],
)
def test_mistakes_end_the_run(run_study: Launch, write_study: Write, change: tuple[str, str], reason: str) -> None:
    run = run_study(write_study(ONCE.replace(*change)), trials=3)
    assert run.exit_code == 1
    assert run.state.finished is not None and run.state.finished.reason.startswith(reason)


def test_a_dataset_without_data_per_worker(run_study: Launch, write_study: Write) -> None:
    with pytest.raises(UserError, match=r"a tf\.data\.Dataset, which cannot be sent to the workers"):
        run_study(write_study(ONCE.replace("data_per_worker=True, ", "")))


def test_a_plan(cluster: object, write_study: Write) -> None:
    assert plan(write_study(STUDY)).makespan.expected > 0
    broken = STUDY.replace("train, rows.skip", "rows, rows.skip")
    with pytest.raises(RunFailed, match=r"nothing to plan with: data\(\): train_dataset has no batches but rows"):
        plan(write_study(broken))
