"""Finds out all that `findings.py` has: `python -m orchestrator.workers.examination [ADDRESS]` prints it as JSON.

In a process of its own, for Ray may try for ever to reach a cluster, and prints as it likes.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import ray
from ray._common.utils import get_default_ray_temp_dir
from ray._private import services

from orchestrator.errors import UserError
from orchestrator.workers.access import token_path
from orchestrator.workers.cluster import check_reachable, connect
from orchestrator.workers.examination.findings import ClusterFound, Dashboard, Findings, NodeFound, Sight, TokenFile
from orchestrator.workers.examination.inspection import Answer, answers, begin, clock_differences, gpus_seen, tell
from orchestrator.workers.examination.machine import look
from orchestrator.workers.examination.servers import problem_at
from orchestrator.workers.examination.versions import labels

SECONDS_TO_TELL = 8.0
SECONDS_FOR_CLOCKS = 2.0
SECONDS_TO_SEE = 15.0
LATELY = 3600.0
UNEXPECTED = 2
"""UNEXPECTED_TERMINATION of Ray's protocol."""
HEAD = "node:__internal_head__"
AT_ONCE = 32


def main() -> None:
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # What Ray prints.
        out.write(msgspec.json.encode(examine(*sys.argv[1:2])))


def examine(address: str | None = None) -> Findings:
    """The cluster at the address or RAY_ADDRESS, or one that runs on this machine; or this machine alone."""
    here = Findings(here=look(Path(get_default_ray_temp_dir())), token=_token_file())
    expected = address or os.environ.get("RAY_ADDRESS")
    if expected is None and not ray.is_initialized() and not _runs_here():
        return here
    try:
        with connect(expected or "auto", lambda _: None, study_is_shipped=True) as cluster:
            return replace(here, token=_token_file(), cluster=_look_around(cluster.address))
    except UserError as error:
        return replace(here, problem=str(error))


def _runs_here() -> bool:
    """A cluster, where this user's Ray looks for one."""
    with suppress(Exception):  # Of many kinds.
        check_reachable(services.get_ray_address_from_environment("auto", None))
        return True
    return False


def _token_file() -> TokenFile | None:
    if os.name == "nt" or "RAY_AUTH_TOKEN" in os.environ:
        return None
    with suppress(OSError):
        return TokenFile(path=str(token_path()), mode=token_path().stat().st_mode & 0o777)
    return None


def _look_around(address: str) -> ClusterFound:
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    url = ray._private.worker.get_dashboard_url() or None
    head = next((key for key, node in nodes.items() if HEAD in node["Resources"]), None)
    arguments = {key: (None, url if key == head else None) for key in nodes}
    told = {answer.node: answer for answer in answers(begin(nodes, tell, arguments), SECONDS_TO_TELL)}
    found = _nodes_found(nodes, told)
    dashboard = None
    if url is not None:
        of_head = told[head].value if head is not None else None
        dashboard = Dashboard(
            address=url,
            problem=of_head.dashboard_problem if of_head else "its node did not answer",
            listens=of_head.listens if of_head else [],
        )
    return ClusterFound(address=address, nodes=found, lost=list(_lost()), dashboard=dashboard)


def _nodes_found(nodes: Mapping[str, Any], told: Mapping[str, Answer]) -> list[NodeFound]:
    names = labels({key: node["NodeManagerHostname"] for key, node in nodes.items()})
    clocks = clock_differences([key for key, answer in told.items() if answer.problem is None], SECONDS_FOR_CLOCKS)
    free = {key: held.get("GPU", 0.0) for key, held in ray._private.state.available_resources_per_node().items()}
    metrics = {key: f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for key, node in nodes.items()}
    problems = _metrics_problems(metrics)
    sights = _sights({key: free.get(key, 0.0) for key, answer in told.items() if _has_tensorflow(answer)})
    found = []
    for key, node in nodes.items():
        resources, value = node["Resources"], told[key].value
        clock, error = clocks.get(key, (None, 0.0))
        found.append(
            NodeFound(
                name=names[key],
                address=node["NodeManagerAddress"],
                cpus=resources.get("CPU", 0.0),
                gpus=resources.get("GPU", 0.0),
                gpus_free=free.get(key, 0.0),
                memory=resources.get("memory", 0.0),
                object_store=resources.get("object_store_memory", 0.0),
                metrics=metrics[key],
                metrics_problem=problems[key],
                machine=value and value.machine,
                problem=told[key].problem,
                asks_for_token=value and value.asks_for_token,
                clock=clock,
                clock_error=error,
                sight=sights.get(key),
            )
        )
    return found


def _has_tensorflow(answer: Answer) -> bool:
    return answer.value is not None and answer.value.machine.versions["tensorflow"] is not None


def _sights(free: Mapping[str, float]) -> dict[str, Sight]:
    """By node, where a whole GPU is free, or at least a part of one."""
    held = {key: float(int(amount)) if amount >= 1 else amount for key, amount in free.items() if amount > 0}
    return {
        answer.node: Sight(held=held[answer.node], seen=answer.value or [], problem=answer.problem, late=answer.is_late)
        for answer in gpus_seen(held, SECONDS_TO_SEE)
    }


def _metrics_problems(addresses: Mapping[str, str]) -> dict[str, str | None]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems: Iterable[str | None] = pool.map(lambda at: problem_at(f"http://{at}/metrics"), addresses.values())
        return dict(zip(addresses, problems, strict=True))


def _lost() -> Iterator[str]:
    """Nodes that died lately; those that were taken away on purpose are none."""
    client = ray._private.worker.global_worker.gcs_client
    for info in client.get_all_node_info(timeout=5).values():
        died = info.end_time_ms / 1000
        if info.death_info.reason == UNEXPECTED and time.time() - died < LATELY:
            yield f"{info.node_manager_hostname} ({info.node_manager_address}): {info.death_info.reason_message}"


if __name__ == "__main__":
    main()
