"""Nodes that are taken away with a notice, and nodes that die."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from orchestrator.run import Run
from orchestrator.scheduler.events import NodeDraining, TrialReported, WorkerJoined, WorkerLost
from orchestrator.scheduler.instructions import Suspend, Train
from tests.on_ray.drivers import meanwhile, records_of, wait_for

CPUS = 4
"""Of each of the nodes that are added here: more than others have, so that the workers are on these."""
STUDY = f"""
import time
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    total = (ctx.restore() or {{"total": 0}})["total"]
    for epoch in ctx.epochs:
        time.sleep(0.25)
        total += epoch
        ctx.report({{"value": total}})
        ctx.save(total=total)

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=60, trials=2, stopper="none", retries=0, cpus_per_trial={CPUS}, checkpoint_every=0.5,
)
"""
PREEMPTION = 2
"""DRAIN_NODE_REASON_PREEMPTION of Ray's protocol."""


@pytest.fixture
def add_node(cluster: Cluster) -> Iterator[Callable[[], Any]]:
    added: list[Any] = []

    def add() -> Any:
        added.append(cluster.add_node(num_cpus=CPUS, object_store_memory=100 * 2**20))
        return added[-1]

    yield add
    for node in added:
        with suppress(Exception):  # Gone already.
            cluster.remove_node(node)


def test_a_node_that_is_drained_and_one_that_dies(
    cluster: Cluster,
    add_node: Callable[[], Any],
    run_study: Callable[..., Run],
    write_study: Callable[..., Path],
    tmp_path: Path,
) -> None:
    run_dir, drained, dies = tmp_path / "run", add_node(), add_node()

    def take_away() -> None:
        wait_for(run_dir, '"WorkerJoined"', times=2)
        wait_for(run_dir, '"CheckpointSaved"', times=3)
        client = ray._private.worker.global_worker.gcs_client
        deadline = int((time.time() + 100) * 1000)
        accepted, why = client.drain_node(drained.node_id, PREEMPTION, "another needs it", deadline)
        assert accepted, why
        wait_for(run_dir, '"Suspend"')
        wait_for(run_dir, '"CheckpointSaved"', times=8)
        cluster.remove_node(dies, allow_graceful=False)
        add_node()

    with meanwhile(run_dir, take_away):
        run = run_study(write_study(STUDY))
    assert run.exit_code == 0
    assert set(run.leaderboard()["status"]) == {"completed"} and set(run.leaderboard()["score"]) == {60 * 61 / 2}
    records = records_of(run_dir)
    (draining,) = [record for record in records if isinstance(record, NodeDraining)]
    assert draining.node == drained.node_id and "is about to be taken away" in draining.reason
    (suspended,) = [record for record in records if isinstance(record, Suspend)]
    assert suspended.cause == "draining"
    lost = [record for record in records if isinstance(record, WorkerLost) and record.cause == "node died"]
    assert lost and lost[0].reason == "its node died"

    node_of = {record.worker: record.node for record in records if isinstance(record, WorkerJoined)}
    after_notice = records[records.index(draining) + 1 :]
    assert drained.node_id not in {node_of[record.worker] for record in after_notice if isinstance(record, Train)}
    trained = [(record.trial, record.epoch) for record in records if isinstance(record, TrialReported)]
    again = [trial for trial, _ in trained if trial == suspended.trial]
    assert len(trained) - len(set(trained)) <= 2 * 3, "a checkpoint interval of each trial at the node that died"
    assert len(again) >= 60
