"""What the nodes have, and how many workers fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from orchestrator.errors import UserError

PRECISION = 1e-4
"""Of Ray's resource quantities."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    address: str
    cpus: float
    gpus: float


def workers_on(node: Node, cpus: float, gpus: float) -> int:
    """How many workers of this size a node can hold; a fraction of a GPU never spans two."""
    by_cpus = floor(node.cpus / cpus + PRECISION)
    if gpus == 0:
        return by_cpus
    per_gpu = floor(1 / gpus + PRECISION)
    by_gpus = floor(node.gpus) * per_gpu if gpus < 1 else floor(node.gpus / gpus + PRECISION)
    return min(by_cpus, by_gpus)


def how_many_workers(nodes: Sequence[Node], cpus: float, gpus: float, at_most: int | None) -> int:
    """As many as fit, within `at_most`.

    Raises:
        UserError: No node can ever hold one; with the table of nodes.
    """
    room = sum(workers_on(node, cpus, gpus) for node in nodes)
    if room == 0:
        raise UserError(
            f"no node has the {cpus:g} CPUs and {gpus:g} GPUs that a trial asks for "
            f"(--cpus-per-trial, --gpus-per-trial):\n{table_of(nodes)}"
        )
    return room if at_most is None else min(room, at_most)


def table_of(nodes: Sequence[Node]) -> str:
    width = max(len(node.name) for node in nodes) if nodes else 4
    lines = [f"  {'node':<{width}}  {'address':<15}  {'CPUs':>6}  {'GPUs':>6}"]
    lines += [f"  {n.name:<{width}}  {n.address:<15}  {n.cpus:>6g}  {n.gpus:>6g}" for n in nodes]
    return "\n".join(lines)
