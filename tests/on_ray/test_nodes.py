"""Nodes that are taken away with a notice, and nodes that die."""

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
from orchestrator.scheduler.events import NodeDraining, TrialReported, WorkerJoined, WorkerLost
from orchestrator.scheduler.instructions import Record, Suspend
from tests.on_ray.drivers import COUNTING, meanwhile, records_of, wait_for

CPUS = 4
"""Of each of the nodes that are added here: more than others have, so that the workers are on these."""
STUDY = f"""
{COUNTING}
study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=60, trials=2, stopper="none", retries=0, cpus_per_trial={CPUS}, checkpoint_every=0.5,
)
"""
PREEMPTION = 2
"""DRAIN_NODE_REASON_PREEMPTION of Ray's protocol."""


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Three by their ids, of which two will have a worker."""
    added = [cluster.add_node(num_cpus=CPUS, object_store_memory=100 * 2**20) for _ in range(3)]
    yield {node.node_id: node for node in added}
    for node in added:
        with suppress(Exception):  # Gone already.
            cluster.remove_node(node)


def test_a_node_that_is_drained_and_one_that_dies(
    cluster: Cluster,
    nodes: dict[str, Any],
    run_study: Callable[..., Run],
    write_study: Callable[..., Path],
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run"

    def take_away() -> None:
        wait_for(run_dir, '"CheckpointSaved"', times=3)
        drained, dies = joined(records_of(run_dir))
        client = ray._private.worker.global_worker.gcs_client
        deadline = int((time.time() + 100) * 1000)
        accepted, why = client.drain_node(drained, PREEMPTION, "another needs it", deadline)
        assert accepted, why
        wait_for(run_dir, '"WorkerJoined"', times=3)
        wait_for(run_dir, '"CheckpointSaved"', times=12)
        cluster.remove_node(nodes[dies], allow_graceful=False)

    with meanwhile(run_dir, take_away):
        run = run_study(write_study(STUDY))
    assert run.exit_code == 0
    assert set(run.leaderboard()["status"]) == {"completed"} and set(run.leaderboard()["score"]) == {60 * 61 / 2}
    records = records_of(run_dir)
    drained, died, spare = joined(records)[:3]
    assert spare not in (drained, died)
    (draining,) = [record for record in records if isinstance(record, NodeDraining)]
    assert draining.node == drained and "is about to be taken away" in draining.reason
    (suspended,) = [record for record in records if isinstance(record, Suspend)]
    assert suspended.cause == "draining"
    assert joined(records).count(drained) == 1
    causes = [record.cause for record in records if isinstance(record, WorkerLost)]
    assert causes[0] == "dismissed" and len(causes) >= 2

    trained = Counter((record.trial, record.epoch) for record in records if isinstance(record, TrialReported))
    again = [trial for (trial, _), times in trained.items() if times > 1]
    assert suspended.trial not in again and len(again) <= 2, "no more than a checkpoint interval of the lost trial"


def joined(records: list[Record]) -> list[str]:
    """The nodes of the workers, in their order."""
    return [record.node for record in records if isinstance(record, WorkerJoined)]
