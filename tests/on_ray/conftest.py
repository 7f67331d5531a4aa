"""One Ray cluster for all of these tests: two nodes, each with two CPUs and a GPU that exists in the books only."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from orchestrator.run import Run, launch


@pytest.fixture(scope="session")
def cluster(tensorflow: None) -> Iterator[Cluster]:
    """Best models are evaluated in this process."""
    before = dict(os.environ)
    os.environ["RAY_AUTH_MODE"] = "disabled"
    node = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 200 * 2**20, "include_dashboard": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        cluster = Cluster(initialize_head=True, head_node_args=node)
        node.pop("include_dashboard")
        cluster.add_node(**node)
        gc.collect()  # Ray leaves a socket open where another cluster has its dashboard's port.
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    os.environ.clear()
    os.environ.update(before)


Launch = Callable[..., Run]


@pytest.fixture
def run_study(cluster: Cluster, tmp_path: Path) -> Launch:
    """`launch` on that cluster, quietly, into a directory of the test's own."""

    def run(study: Any, **settings: Any) -> Run:
        return launch(study, **{"quiet": True, "run_dir": tmp_path / "run", "workers": 2, **settings})

    return run


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study's file, and others beside it."""

    def write(text: str, name: str = "my_study.py", **beside: str) -> Path:
        folder = tmp_path / "studies"
        folder.mkdir(exist_ok=True)
        for module, content in beside.items():
            (folder / f"{module}.py").write_text(content)
        path = folder / name
        path.write_text(text)
        return path

    return write
