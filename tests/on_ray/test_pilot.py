"""The pilot's place on the cluster, whose GPUs exist in the books only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from orchestrator import Study
from orchestrator.run import Run
from orchestrator.workers.pilot import choose_gpus
from orchestrator.workers.resources import WorkerSize
from orchestrator.workers.shipping import Shipped, ship
from search_spaces import Float, Space


@pytest.fixture
def study() -> Shipped:
    def train(configuration: dict[str, Any], ctx: Any) -> None:
        raise AssertionError("nothing is trained")

    return ship(Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max"), None)


def test_where_nothing_can_be_measured(cluster: Cluster, study: Shipped) -> None:
    chosen = choose_gpus(study, None, [{"x": 0.5}], 7, epochs=3, size=WorkerSize())
    assert chosen == (1.0, "a whole GPU: NVIDIA's driver (NVML) does not tell how much memory the card has")


def test_where_no_gpu_is_free(cluster: Cluster, study: Shipped) -> None:
    chosen = choose_gpus(study, None, [{"x": 0.5}], 7, epochs=3, size=WorkerSize(), seconds_for_a_gpu=0.0)
    assert chosen == (1.0, "a whole GPU: none was free within 0 s to measure a trial on")


def test_a_run_goes_by_what_was_chosen_even_of_a_space_with_two_configurations(
    run_study: Callable[..., Run], write_study: Callable[..., Path]
) -> None:
    text = """
from orchestrator import Choice, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        ctx.report({"value": configuration["x"]})

study = Study(space=Space(x=Choice([1, 2])), train=train, objective="value", direction="max", epochs=1, trials=2,
              stopper="none", gpus_per_trial="auto")
"""
    run = run_study(write_study(text))
    assert set(run.leaderboard()["score"]) == {1, 2}
    assert json.loads((run.dir / "study.json").read_text())["settings"]["gpus_per_trial"] == 1.0
