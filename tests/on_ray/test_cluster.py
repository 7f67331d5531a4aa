"""A cluster of four nodes is filled exactly, whatever the slices; one that joins is used, one that goes loses nothing."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from orchestrator.run import Run
from orchestrator.scheduler.events import TrialReported, WorkerJoined, WorkerLost
from orchestrator.scheduler.instructions import Dismiss
from tests.on_ray.drivers import meanwhile, records_of, wait_for

LABEL = {"pool": "tested"}
"""Of the nodes that are added here, so that the workers are on these."""
NODE = {"num_cpus": 4, "num_gpus": 2, "labels": LABEL, "object_store_memory": 80 * 2**20}


def study(epochs: int, seconds: float, trials: int) -> str:
    return f"""
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    total = (ctx.restore() or {{"total": 0}})["total"]
    for epoch in ctx.epochs:
        time.sleep({seconds})
        total += epoch
        ctx.report({{"value": total}})
        ctx.save(total=total)

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs={epochs}, trials={trials},
    stopper="none", retries=0, cpus_per_trial=0.25, checkpoint_every=0.3, node_label={LABEL},
)
"""


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> Iterator[list[Any]]:
    added = [cluster.add_node(**NODE) for _ in range(4)]
    yield added
    for node in added:
        with suppress(Exception):  # Gone already.
            cluster.remove_node(node)


def workers_of(run_dir: Path) -> dict[int, WorkerJoined]:
    return {record.worker: record for record in records_of(run_dir) if isinstance(record, WorkerJoined)}


@pytest.mark.parametrize(("gpus", "count"), [(2, 4), (1, 8), (0.25, 32)])
def test_slices_fill_the_cluster_exactly(
    nodes: list[Any],
    run_study: Callable[..., Run],
    write_study: Callable[..., Path],
    tmp_path: Path,
    gpus: float,
    count: int,
) -> None:
    text = study(epochs=1, seconds=0.0, trials=64)
    run_study(write_study(text), workers=None, gpus_per_trial=gpus)
    joined = workers_of(tmp_path / "run")
    assert len(joined) <= count
    per_node = Counter(record.node for record in joined.values())
    assert set(per_node) <= {node.node_id for node in nodes}
    assert max(per_node.values()) <= count / 4
    held = Counter((record.node, gpu) for record in joined.values() for gpu in record.gpus.split(","))
    assert max(held.values()) <= max(1 / gpus, 1), "no GPU is over-used"
