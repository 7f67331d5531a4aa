"""What nodes have, what a worker takes of one, and how many fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor, inf
from typing import Any

from orchestrator.errors import UserError

PRECISION = 1e-4
"""Of Ray's resource quantities."""
LEAST_MEMORY = 10**9
"""Bytes that a worker needs at least, for TensorFlow and a small model; counted where no memory is asked for."""
ACCELERATOR = "accelerator_type:"
"""How Ray begins the name of the resource that tells of a node's kind of GPU."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    address: str
    cpus: float
    gpus: float
    memory: float = inf
    """In bytes, as far as Ray gives it away."""
    labels: Mapping[str, str] = field(default_factory=dict)
    accelerators: frozenset[str] = frozenset()
    """Its kinds of GPUs, as Ray calls them: H100."""


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """What a worker takes of a node, and of which nodes."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None
    accelerator: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """For Ray's actors."""
        options: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        if self.memory is not None:
            options["memory"] = self.memory
        if self.accelerator is not None:
            options["accelerator_type"] = self.accelerator
        if self.labels:
            options["label_selector"] = dict(self.labels)
        return options

    def bundle(self) -> dict[str, float]:
        """For Ray's autoscaler."""
        bundle = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory or 0)}
        if self.accelerator is not None:
            bundle[f"{ACCELERATOR}{self.accelerator}"] = 0.001
        return {name: amount for name, amount in bundle.items() if amount}

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPUs", f"{self.gpus:g} GPUs"]
        parts += [f"{self.memory / 1e9:g} GB of memory"] if self.memory is not None else []
        parts += [f"an accelerator {self.accelerator}"] if self.accelerator is not None else []
        parts += [f"the label {key}={value}" for key, value in self.labels.items()]
        return f"{', '.join(parts[:-1])} and {parts[-1]}"


def workers_on(node: Node, size: WorkerSize) -> int:
    """How many workers of this size a node can hold; a fraction of a GPU never spans two."""
    if size.accelerator is not None and size.accelerator not in node.accelerators:
        return 0
    if not all(_matches(node.labels.get(key), value) for key, value in size.labels.items()):
        return 0
    room = [floor(node.cpus / size.cpus + PRECISION)]
    if node.memory < inf:
        room.append(floor(node.memory / (size.memory or LEAST_MEMORY)))
    if size.gpus > 0:
        room.append(_by_gpus(node, size.gpus))
    return min(room)


def _by_gpus(node: Node, gpus: float) -> int:
    per_gpu = floor(1 / gpus + PRECISION)
    return floor(node.gpus) * per_gpu if gpus < 1 else floor(node.gpus / gpus + PRECISION)


def _matches(label: str | None, wanted: str) -> bool:
    """As Ray reads it: a value, in(one,other), and either with ! before it for any but these."""
    given = wanted.removeprefix("!")
    values = given[3:-1].split(",") if given.startswith("in(") and given.endswith(")") else [given]
    return (label in [value.strip() for value in values]) != wanted.startswith("!")


def room_for(nodes: Sequence[Node], size: WorkerSize) -> int:
    return sum(workers_on(node, size) for node in nodes)


def no_room(nodes: Sequence[Node], size: WorkerSize) -> UserError:
    return UserError(
        f"no node has the {size} that a trial asks for (--cpus-per-trial, --gpus-per-trial, --memory-per-trial, "
        f"--accelerator, --node-label):\n{table_of(nodes)}"
    )


def left_over(nodes: Sequence[Node], size: WorkerSize, uses_gpus: bool) -> Iterator[str]:
    """What of the nodes stays unused that could be wanted, a line each.

    Args:
        uses_gpus: The study could.
    """
    gpus = sum(node.gpus for node in nodes)
    if gpus and not size.gpus and uses_gpus:
        yield f"warning: the cluster has {gpus:g} GPUs, which this run does not use: give --gpus-per-trial 1, or auto"
    if size.gpus and size.accelerator is None and not size.labels:
        idle = size.gpus * sum(max(_by_gpus(node, size.gpus) - workers_on(node, size), 0) for node in nodes)
        if idle >= min(size.gpus, 1):
            yield (
                f"warning: {idle:g} of {gpus:g} GPUs stay unused, for their nodes have too few CPUs or too little "
                "memory: give less --cpus-per-trial or --memory-per-trial"
            )
    bounded, others = room_for(nodes, size), room_for([replace(node, memory=inf) for node in nodes], size)
    if bounded < others and size.memory is None:
        yield (
            f"memory of the nodes bounds the workers to {bounded}, where {others} would fit else: "
            f"{LEAST_MEMORY / 1e9:g} GB are counted for each; say what it is by --memory-per-trial"
        )


def table_of(nodes: Sequence[Node]) -> str:
    width = max(len(node.name) for node in nodes) if nodes else 4
    lines = [f"  {'node':<{width}}  {'address':<15}  {'CPUs':>6}  {'GPUs':>6}  {'memory':>8}"]
    lines += [
        f"  {n.name:<{width}}  {n.address:<15}  {n.cpus:>6g}  {n.gpus:>6g}  {n.memory / 1e9:>5.1f} GB"
        f"{''.join(f'  {kind}' for kind in sorted(n.accelerators))}"
        for n in nodes
    ]
    return "\n".join(lines)
