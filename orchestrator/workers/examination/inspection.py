"""Asks all nodes of the cluster that this process is connected to, at once and for a bounded time.

Nothing is held for it but the GPUs of `gpus_seen`, and nothing is changed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.errors import first_line
from orchestrator.training.sight import visible_gpus
from orchestrator.workers.cluster import Cluster
from orchestrator.workers.examination.machine import Machine, clock, listening, look, versions
from orchestrator.workers.examination.servers import problem_at
from orchestrator.workers.examination.versions import Versions, compared, labels

SECONDS_FOR_VERSIONS = 15.0
Waiting = dict[ray.ObjectRef, str]
"""For answers of nodes."""
_known: dict[str, Versions] = {}
"""By node: it keeps its Python as long as it lives."""


@dataclass(frozen=True, slots=True)
class Answer:
    node: str
    value: Any = None
    problem: str | None = None
    """Why there is no value."""
    is_late: bool = False
    """It may still come."""


@dataclass(frozen=True, slots=True)
class Told:
    """By a node, of itself."""

    machine: Machine
    asks_for_token: bool
    dashboard_problem: str | None
    """Of the dashboard that it was to ask."""
    listens: list[str]
    """Addresses where that dashboard listens, as far as the system tells."""


def begin(
    nodes: Iterable[str],
    function: Callable[..., Any],
    arguments: Mapping[str, tuple[Any, ...]] | None = None,
    gpus: Mapping[str, float] | None = None,
) -> Waiting:
    """Let the function run on each node, and wait for nothing yet.

    Args:
        nodes: Their ids.
        arguments: By node, for those where there are any.
        gpus: By node, held there by the function.
    """
    waiting = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        task = ray.remote(num_cpus=0, num_gpus=(gpus or {}).get(node, 0), max_retries=0)(function)
        task = task.options(scheduling_strategy=there, name="look")
        waiting[task.remote(*(arguments or {}).get(node, ()))] = node
    return waiting


def answers(waiting: Waiting, seconds: float) -> Iterator[Answer]:
    """As they come. A node that does not answer in time is told last."""
    deadline = time.monotonic() + seconds
    while waiting:
        ready, _ = ray.wait(list(waiting), timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        node = waiting.pop(ready[0])
        try:
            yield Answer(node, ray.get(ready[0]))
        except RayTaskError as error:
            yield Answer(node, problem=f"{type(error.cause).__name__}: {first_line(error.cause)}")
        except RayError as error:
            yield Answer(node, problem=first_line(error))
    for reference, node in waiting.items():
        ray.cancel(reference, force=True)
        yield Answer(node, problem=f"no answer within {seconds:.0f} s", is_late=True)


def tell(folder: str | None, dashboard: str | None) -> Told:
    """Runs on a node.

    Args:
        folder: Where Ray writes; else found out.
        dashboard: HOST:PORT of one to ask from here.
    """
    token = get_auth_headers_if_auth_enabled({})
    return Told(
        machine=look(Path(folder or ray._private.worker._global_node.get_session_dir_path())),
        asks_for_token=is_token_auth_enabled(),
        dashboard_problem=dashboard and problem_at(f"http://{dashboard}/api/version", token),
        listens=listening([int(dashboard.rpartition(":")[2])]) if dashboard else [],
    )


def clock_differences(nodes: Iterable[str], seconds: float) -> dict[str, tuple[float, float]]:
    """Seconds by which each node's clock is ahead of this machine's, and how far that may be wrong.

    Asked one by one, and best of nodes that have just answered: their workers are there then.
    """
    found: dict[str, tuple[float, float]] = {}
    deadline = time.monotonic() + seconds
    for node in nodes:
        sent = time.time()
        for answer in answers(begin([node], clock), min(1.0, max(0.0, deadline - time.monotonic()))):
            received = time.time()
            if answer.problem is None:
                found[node] = (answer.value - (sent + received) / 2, (received - sent) / 2)
    return found


def gpus_seen(gpus: Mapping[str, float], seconds: float) -> Iterator[Answer]:
    """What TensorFlow sees in a worker that holds so many GPUs of a node."""
    return answers(begin(gpus, visible_gpus, gpus=gpus), seconds)


class Comparison:
    """Of versions on all nodes of a cluster that was joined. Begun at once, to go on while other things start.

    A cluster that was started here has this Python everywhere, and a node is asked once in a process.
    """

    def __init__(self, cluster: Cluster) -> None:
        nodes = [] if cluster.local else [node for node in ray.nodes() if node["Alive"]]
        self._nodes = {node["NodeID"]: node for node in nodes}
        self._waiting = begin(self._nodes.keys() - _known.keys(), versions)

    def finish(self, *, for_keras: bool) -> str | None:
        """A warning with a table, where nodes have other versions than the rest or this process.

        Args:
            for_keras: Keras models are to be trained.

        Raises:
            UserError: They cannot be, on a node that may get workers.
        """
        for answer in answers(self._waiting, SECONDS_FOR_VERSIONS):
            if answer.problem is None:
                _known[answer.node] = answer.value
        names = labels({key: node["NodeManagerHostname"] for key, node in self._nodes.items()})
        found = {names[key]: _known.get(key) for key in self._nodes}
        working = [names[key] for key, node in self._nodes.items() if node["Resources"].get("CPU")]
        return compared(versions(), found, working if for_keras else [])
