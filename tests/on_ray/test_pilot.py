"""The pilot's place on the cluster, whose GPUs exist in the books only."""

from typing import Any

import pytest
from ray.cluster_utils import Cluster

from orchestrator import Study
from orchestrator.workers.pilot import choose_gpus
from orchestrator.workers.shipping import Shipped, ship
from search_spaces import Float, Space


@pytest.fixture
def study() -> Shipped:
    def train(configuration: dict[str, Any], ctx: Any) -> None:
        raise AssertionError("nothing is trained")

    return ship(Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max"), None)


def test_where_nothing_can_be_measured(cluster: Cluster, study: Shipped) -> None:
    chosen = choose_gpus(study, None, [{"x": 0.5}], 7, epochs=3, cpus=1)
    assert chosen == (1.0, "a whole GPU: NVIDIA's driver (NVML) does not tell how much memory the card has")


def test_where_no_gpu_is_free(cluster: Cluster, study: Shipped) -> None:
    chosen = choose_gpus(study, None, [{"x": 0.5}], 7, epochs=3, cpus=1, seconds_for_a_gpu=0.0)
    assert chosen == (1.0, "a whole GPU: none was free within 0 s to measure a trial on")
