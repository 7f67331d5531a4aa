"""How many workers fit where, and what is said of what stays unused."""

from math import inf

import pytest

from orchestrator.workers.resources import Node, WorkerSize, left_over, no_room, room_for, workers_on


def node(cpus=8.0, gpus=4.0, memory=inf, labels=None, accelerators=()):
    return Node("a", "10.0.0.1", cpus, gpus, memory, labels or {}, frozenset(accelerators))


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (WorkerSize(cpus=1), 8),
        (WorkerSize(cpus=0.5), 16),
        (WorkerSize(cpus=1, gpus=1), 4),
        (WorkerSize(cpus=0.5, gpus=0.25), 16),
        (WorkerSize(cpus=0.1, gpus=0.3), 12),
        (WorkerSize(cpus=1, gpus=0.6), 4),
        (WorkerSize(cpus=1, gpus=2), 2),
        (WorkerSize(cpus=1, gpus=3), 1),
        (WorkerSize(cpus=4, gpus=1), 2),
        (WorkerSize(cpus=1, gpus=8), 0),
    ],
)
def test_a_fraction_never_spans_two_gpus_and_cpus_bound_as_well(size, count):
    assert workers_on(node(), size) == count


def test_memory_bounds_workers_asked_for_or_not():
    assert workers_on(node(memory=4e9), WorkerSize()) == 4
    assert workers_on(node(memory=4e9), WorkerSize(memory=2 * 10**9)) == 2
    assert workers_on(node(memory=4e9), WorkerSize(memory=5 * 10**9)) == 0


def test_only_nodes_with_the_accelerator_count():
    nodes = [node(accelerators=["H100"]), node(accelerators=["A100"]), node(gpus=0)]
    assert room_for(nodes, WorkerSize(gpus=1, accelerator="H100")) == 4


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [("eu", True), ("us", False), ("in(us, eu)", True), ("!eu", False), ("!us", True), ("!in(us,eu)", False)],
)
def test_labels_are_read_as_ray_reads_them(wanted, fits):
    assert (workers_on(node(labels={"region": "eu"}), WorkerSize(labels={"region": wanted})) > 0) is fits


def test_a_request_that_no_node_can_satisfy_names_itself_and_the_nodes():
    error = str(no_room([node(memory=8e9)], WorkerSize(gpus=16, accelerator="H100", labels={"zone": "b"})))
    assert error.startswith("no node has the 1 CPUs, 16 GPUs, an accelerator H100 and the label zone=b that a trial")
    assert "10.0.0.1" in error


def test_it_is_said_what_stays_unused():
    assert not list(left_over([node()], WorkerSize(cpus=1, gpus=1), uses_gpus=True))
    assert "4 GPUs, which this run does not use" in next(left_over([node()], WorkerSize(), uses_gpus=True))
    assert not list(left_over([node()], WorkerSize(), uses_gpus=False))
    assert "2 of 4 GPUs stay unused" in next(left_over([node()], WorkerSize(cpus=4, gpus=1), uses_gpus=True))
    assert "bounds the workers to 2" in next(left_over([node(memory=2e9, gpus=0)], WorkerSize(), uses_gpus=True))


def test_what_ray_is_asked_for():
    size = WorkerSize(cpus=2, gpus=0.5, memory=10**9, accelerator="H100", labels={"zone": "b"})
    assert size.options() == {
        "num_cpus": 2,
        "num_gpus": 0.5,
        "memory": 10**9,
        "accelerator_type": "H100",
        "label_selector": {"zone": "b"},
    }
    assert size.bundle() == {"CPU": 2, "GPU": 0.5, "memory": 1e9, "accelerator_type:H100": 0.001}
