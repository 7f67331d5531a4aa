"""With `--deterministic`, a run that is killed again and again has the result of one that is left alone."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from ray.cluster_utils import Cluster

import orchestrator
from orchestrator.run import Run
from orchestrator.scheduler.events import TrialReported
from tests.on_ray.drivers import Driver, records_of

STUDY = """
import keras
import numpy as np
from orchestrator import Float, Int, Space, Study

def build(configuration):
    model = keras.Sequential([
        keras.layers.Dense(configuration["units"], activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(1),
    ])
    model.compile(keras.optimizers.Adam(configuration["rate"]), "mse")
    return model

def data():
    x = np.random.default_rng(0).normal(size=(3000, 8)).astype("float32")
    y = np.sin(x).sum(axis=1, keepdims=True)
    return (x[:2400], y[:2400]), (x[2400:], y[2400:])

study = Study(
    space=Space(rate=Float(1e-4, 1e-1, "log"), units=Int(4, 32)),
    build=build, data=data, fit=lambda configuration: {"callbacks": [keras.callbacks.ReduceLROnPlateau(patience=1)]},
    objective="val_loss", direction="min", epochs=9, trials=9,
)
"""
SETTINGS = {"deterministic": True, "stopper": "halving", "workers": 1, "checkpoint_every": 0.5}
OPTIONS = ("--deterministic", "--stopper", "halving", "--workers", "1", "--checkpoint-every", "0.5s")
KILLED_AFTER = (4, 7)
"""Reports of each driver."""


@pytest.mark.parametrize("sampler", ["zoom"])
def test_killed_again_and_again(
    sampler: str, cluster: Cluster, run_study: Callable[..., Run], write_study: Callable[..., Path], tmp_path: Path
) -> None:
    study, run_dir = write_study(STUDY), tmp_path / "killed"
    undisturbed = run_study(study, sampler=sampler, **SETTINGS)
    reports = 0
    for killed_after in KILLED_AFTER:
        words = ("resume", "killed") if reports else ("launch", str(study), "--run-dir", "killed", *OPTIONS)
        driver = Driver(run_dir, cluster, *words)
        try:
            driver.wait_for('"TrialReported"', times=reports + killed_after)
        finally:
            driver.kill()
        reports = sum(isinstance(record, TrialReported) for record in records_of(run_dir))
    run = orchestrator.resume(run_dir, quiet=True)
    assert run.exit_code == undisturbed.exit_code == 0 and len(run.state.resumptions) == len(KILLED_AFTER)
    pd.testing.assert_frame_equal(result(run_dir), result(undisturbed.dir), check_exact=True)
    assert weights(run) == weights(undisturbed)


def result(run_dir: Path) -> pd.DataFrame:
    return pd.read_csv(run_dir / "leaderboard.csv").drop(columns=["seconds", "worker"])


def weights(run: Run) -> list[bytes]:
    return [array.tobytes() for array in run.best_model().get_weights()]
