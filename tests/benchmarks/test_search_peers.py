"""The peers' own classes, where they are installed (`make search` does it in an environment of its own)."""

from math import nan
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="Ray Tune needs it")
optuna = pytest.importorskip("optuna")

from ray.tune.schedulers import MedianStoppingRule  # noqa: E402

from benchmarks.search import peers  # noqa: E402
from benchmarks.search.replay import replay  # noqa: E402
from benchmarks.search.tasks import Task  # noqa: E402

PEERS = {peer.name: peer for peer in peers.peers()}


def made_up(rows: int = 40, epochs: int = 9) -> Task:
    generator = np.random.default_rng(0)
    value = np.cumsum(generator.random((rows, epochs)), axis=1) * generator.random((rows, 1))
    value[3, 4:] = nan
    elapsed = np.concatenate([np.zeros((rows, 1)), np.cumsum(generator.random((rows, epochs)), axis=1)], axis=1)
    score = np.maximum.accumulate(np.where(np.isfinite(value), value, -np.inf), axis=1)
    return Task("made up", "max", value, elapsed, score)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_stops_some_and_completes_some(name: str) -> None:
    task = made_up()
    run = replay(task, PEERS[name].make(task.epochs, "max", 0), 0, 4)
    assert 0 < run.completed < run.begun


@pytest.mark.parametrize(("name", "goes_on"), [("Ray Tune ASHA", True), ("Optuna SuccessiveHalving", False)])
def test_nan(name: str, goes_on: bool) -> None:
    rule: Any = PEERS[name].make(9, "max", 0)
    for trial in range(2):  # Optuna's first rung follows from the first trial that is complete.
        rule.begin(trial)
        for epoch in range(1, 9):
            rule.goes_on(trial, epoch, 1.0)
        rule.complete(trial, 9, 1.0)
    rule.begin(2)
    assert rule.goes_on(2, 1, nan) is goes_on


def test_what_is_remembered_changes_nothing() -> None:
    task = made_up()

    def median(kind: Any) -> peers.RayTune:
        return peers.RayTune(kind(time_attr="training_iteration", metric="value", mode="max", grace_period=1))

    assert replay(task, median(peers._Median), 0, 4) == replay(task, median(MedianStoppingRule), 0, 4)
    remembered, plain = (
        peers.Optuna(pruner(), "max", 0, 1) for pruner in (peers._Hyperband, optuna.pruners.HyperbandPruner)
    )
    assert replay(task, remembered, 0, 4) == replay(task, plain, 0, 4)
