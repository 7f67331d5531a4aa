"""Hosts a Ray cluster of several nodes on the loopback address, in a process of its own.

    python -m benchmarks.chaos.cluster CPU[,CPU…]        one node for each, the first is the head

Reads commands from its input: `add CPUS` begins another node, `kill N` kills the raylet of the N-th by SIGKILL (and
sweeps up what is left of that node's own processes); answers each with a line of JSON. Ends, and the cluster with it,
when its input does, so that nothing outlives whoever started it.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any

from ray._private import ray_constants
from ray.cluster_utils import Cluster

STORE_BYTES = 80 * 2**20
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": STORE_BYTES}


def main() -> None:
    cpus = [float(number) for number in sys.argv[1].split(",")]
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": cpus[0], "include_dashboard": False})
    nodes: list[Any] = [cluster.head_node]
    try:
        for number in cpus[1:]:
            nodes.append(cluster.add_node(num_cpus=number, **NODE))  # noqa: PERF401
        _answer(address=cluster.address, raylets=[_raylet(node) for node in nodes])
        for line in sys.stdin:
            match line.split():
                case ["add", size]:
                    nodes.append(cluster.add_node(num_cpus=float(size), **NODE))
                    _answer(raylets=[_raylet(nodes[-1])])
                case ["kill", place]:
                    node = nodes[int(place)]
                    os.kill(_raylet(node), signal.SIGKILL)
                    _answer(raylets=[])
                    cluster.remove_node(node, allow_graceful=False)
    finally:
        for node in [*cluster.worker_nodes]:
            with contextlib.suppress(Exception):
                cluster.remove_node(node, allow_graceful=False)
        cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def _raylet(node: Any) -> int:
    return int(node.all_processes[ray_constants.PROCESS_TYPE_RAYLET][0].process.pid)


def _answer(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
