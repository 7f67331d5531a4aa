"""The nodes of the cluster: what they have, which are about to be taken away, and what an autoscaler is asked for."""

import time
from contextlib import suppress

import ray

from orchestrator.workers.resources import ACCELERATOR, Node, WorkerSize, room_for

SECONDS_BETWEEN_LOOKS = 1.0
NODE_GROUP = "ray.io/node-group"
"""The label of nodes that an autoscaler started: of `ray up`, of KubeRay."""

MOST_ASKED = 1000
"""Workers; the autoscaler has limits of its own."""


def alive_nodes() -> tuple[Node, ...]:
    draining = _draining()
    return tuple(_node(node) for node in ray.nodes() if node["Alive"] and node["NodeID"] not in draining)


def is_autoscaled() -> bool:
    """Whether nodes may come that are asked for."""
    return any(NODE_GROUP in node.labels for node in alive_nodes())


def ask_for(size: WorkerSize, count: int) -> None:
    """Have an autoscaler start nodes for so many workers in all, and keep those; 0 takes back what was asked for."""
    from ray.autoscaler.sdk import request_resources

    count = min(count, MOST_ASKED)
    labels = {"bundle_label_selectors": [dict(size.labels)] * count} if size.labels and count else {}
    with suppress(Exception):  # The cluster cannot be asked for now; workers that wait are a request as well.
        request_resources(bundles=[size.bundle()] * count, **labels)


class Watch:
    """Looks at the nodes now and then."""

    def __init__(self, size: WorkerSize) -> None:
        self._size = size
        self._told: set[str] = set()
        self._look_at = 0.0

    def is_time(self) -> bool:
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + SECONDS_BETWEEN_LOOKS
        return True

    def draining(self) -> list[tuple[str, str]]:
        """Node and reason of those that are newly about to be taken away."""
        found = _draining()
        new = {node: deadline for node, deadline in found.items() if node not in self._told}
        self._told |= new.keys()
        return [(node, f"its node is about to be taken away{_when(deadline)}") for node, deadline in new.items()]

    def room(self) -> int | None:
        """For so many workers; None when the cluster cannot be asked for now."""
        try:
            return room_for(alive_nodes(), self._size)
        except Exception:
            return None


def _draining() -> dict[str, int]:
    """Deadlines by node. Not public: where another version of Ray has it not, a node is simply lost."""
    try:
        found: dict[str, int] = ray._private.state.state.get_draining_nodes()
        return found
    except Exception:
        return {}


def _node(node: dict[str, object]) -> Node:
    resources: dict[str, float] = node["Resources"]  # type: ignore[assignment]
    return Node(
        name=str(node["NodeManagerHostname"]),
        address=str(node["NodeManagerAddress"]),
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        memory=resources.get("memory", 0.0),
        labels=node["Labels"],  # type: ignore[arg-type]
        accelerators=frozenset(name.removeprefix(ACCELERATOR) for name in resources if name.startswith(ACCELERATOR)),
    )


def _when(deadline_ms: int) -> str:
    left = deadline_ms / 1000 - time.time()
    return f" in {left:.0f} s" if deadline_ms > 0 and left > 0 else ""
