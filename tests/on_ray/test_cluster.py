"""Four nodes are filled exactly, whatever the slices; a node that joins is used, one that goes loses nothing."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from orchestrator.run import Run
from orchestrator.scheduler.events import TrialReported, WorkerJoined, WorkerLost
from orchestrator.scheduler.instructions import Train
from tests.on_ray.drivers import COUNTING, meanwhile, records_of, wait_for

LABEL = {"pool": "tested"}
"""Of the nodes that are added here, so that the workers are on these."""
NODE = {"num_cpus": 4, "num_gpus": 2, "labels": LABEL, "object_store_memory": 80 * 2**20}
SETTINGS = f'stopper="none", retries=0, cpus_per_trial=0.25, node_label={LABEL}'
TOGETHER = """
import os, time
from pathlib import Path
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    here = Path({folder!r})
    (here / str(os.getpid())).touch()
    for epoch in ctx.epochs:
        until = time.monotonic() + 60
        while len(list(here.iterdir())) < {count} and time.monotonic() < until:
            time.sleep(0.2)
        ctx.report({{"workers": len(list(here.iterdir()))}})

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="workers", direction="max", epochs=1, trials={count}, {settings}
)
"""
LONG = f"""
{COUNTING}
study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs=40, trials=5,
    checkpoint_every=0.3, {SETTINGS}
)
"""


GREEDY = """
import time
import ray
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        if configuration["x"] > 0.5 and ray.get_runtime_context().get_assigned_resources()["GPU"] < 0.5:
            raise MemoryError("more than a quarter of a GPU is needed")
        time.sleep(0.3)
        ctx.report({"value": configuration["x"]})

study = Study(
    space=Space(x=Float(0, 1)), start=[{"x": 0.1}, {"x": 0.9}], train=train, objective="value", direction="max",
    epochs=3, trials=6, stopper="none", cpus_per_trial=0.25, gpus_per_trial=0.25, node_label={"pool": "one"},
)
"""


def add_node(cluster: Cluster, **other: Any) -> Any:
    """With GPUs that exist in the books only, all of which would be hidden as they are from this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        patch.setattr(cluster, "_shutdown_at_exit", False)  # For which it has to be the main thread.
        return cluster.add_node(**NODE | other)


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> Iterator[list[Any]]:
    added = [add_node(cluster) for _ in range(4)]
    yield added
    for node in added:
        with suppress(Exception):  # Gone already.
            cluster.remove_node(node)


@pytest.mark.parametrize(("gpus", "count"), [(2, 4), (1, 8), (0.25, 32)])
def test_slices_fill_the_cluster_exactly(
    nodes: list[Any],
    run_study: Callable[..., Run],
    write_study: Callable[..., Path],
    tmp_path: Path,
    gpus: float,
    count: int,
) -> None:
    """Each trial waits for the others, so all of them train at once."""
    (tmp_path / "here").mkdir()
    text = TOGETHER.format(folder=str(tmp_path / "here"), count=count, settings=SETTINGS)
    run = run_study(write_study(text), workers=None, gpus_per_trial=gpus)
    assert set(run.leaderboard()["score"]) == {count}
    joined = [record for record in records_of(tmp_path / "run") if isinstance(record, WorkerJoined)]
    assert Counter(record.node for record in joined) == {node.node_id: count / 4 for node in nodes}
    held = Counter((record.node, gpu) for record in joined for gpu in record.gpus.split(","))
    assert len(held) == 8 and set(held.values()) == {max(1 / gpus, 1)}


def test_a_node_that_joins_gets_trials_and_one_that_dies_loses_none(
    cluster: Cluster,
    nodes: list[Any],
    run_study: Callable[..., Run],
    write_study: Callable[..., Path],
    tmp_path: Path,
) -> None:
    run_dir, new = tmp_path / "run", []

    def change() -> None:
        wait_for(run_dir, '"CheckpointSaved"', times=8)
        new.append(add_node(cluster))
        nodes.append(new[0])
        wait_for(run_dir, '"WorkerJoined"', times=5)
        cluster.remove_node(nodes[0], allow_graceful=False)

    with meanwhile(run_dir, change):
        run = run_study(write_study(LONG), workers=None, gpus_per_trial=2)
    assert run.exit_code == 0
    assert set(run.leaderboard()["status"]) == {"completed"} and set(run.leaderboard()["score"]) == {40 * 41 / 2}
    records = records_of(run_dir)
    joined = [record for record in records if isinstance(record, WorkerJoined)]
    assert joined[4].node == new[0].node_id
    first = next(record for record in records if isinstance(record, TrialReported) and record.at > joined[4].at)
    assert first.at < joined[4].at + 5.0
    (lost,) = [record for record in records if isinstance(record, WorkerLost) and record.cause != "dismissed"]
    trained = Counter((record.trial, record.epoch) for record in records if isinstance(record, TrialReported))
    again = [trial for (trial, _), times in trained.items() if times > 1]
    assert len(again) <= 4 and len(set(again)) <= 1, f"{lost.reason}: a checkpoint interval of one trial, no more"


def test_a_trial_that_needs_more_of_a_gpu_gets_it_on_a_card_that_is_full(
    cluster: Cluster, run_study: Callable[..., Run], write_study: Callable[..., Path], tmp_path: Path
) -> None:
    node = add_node(cluster, num_gpus=1, labels={"pool": "one"})
    run = run_study(write_study(GREEDY), workers=None)
    cluster.remove_node(node)
    table = run.leaderboard()
    assert set(table["status"]) == {"completed"} and (table["x"] > 0.5).any()
    records = records_of(tmp_path / "run")
    joined = {record.worker: record.slices for record in records if isinstance(record, WorkerJoined)}
    assert Counter(joined.values())[2] >= 1
    last = {record.assignment.trial: record.worker for record in records if isinstance(record, Train)}
    assert all(joined[last[row.trial]] == 2 for row in table.itertuples() if row.x > 0.5)
