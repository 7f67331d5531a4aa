"""What a run takes of a cluster: how large its workers are, and how many there can be."""

from collections.abc import Callable
from typing import Any

from orchestrator.samplers.random import RandomSampler
from orchestrator.settings import Settings
from orchestrator.workers.cluster import Cluster
from orchestrator.workers.nodes import is_autoscaled
from orchestrator.workers.pilot import choose_gpus
from orchestrator.workers.resources import WorkerSize, no_room, room_for
from orchestrator.workers.shipping import Shipped
from search_spaces import Space

PILOTS = 5
"""Configurations of which each is trained for a few batches, to see what the largest needs."""


def worker_size(settings: Settings) -> WorkerSize:
    return WorkerSize(
        cpus=settings.cpus_per_trial,
        gpus=settings.gpus,
        memory=settings.memory_per_trial,
        accelerator=settings.accelerator,
        labels=settings.node_label or {},
    )


def most_workers(settings: Settings) -> int | None:
    wanted = [number for number in (settings.workers, settings.trials) if number is not None]
    return min(wanted, default=None)


def how_many_workers(cluster: Cluster, settings: Settings) -> int:
    """As many as fit and are wanted, for now.

    Raises:
        UserError: No node can ever hold one.
    """
    size, most = worker_size(settings), most_workers(settings)
    if (room := room_for(cluster.nodes, size)) == 0:
        if not is_autoscaled():
            raise no_room(cluster.nodes, size)
        return 1  # Which waits for a node that is asked for.
    return room if most is None else min(room, most)


def measured_gpus(
    cluster: Cluster, settings: Settings, space: Space, study: Shipped, data: Any, say: Callable[[str], None]
) -> float:
    """Of `--gpus-per-trial auto`: what a trial needs, said with its reason."""
    if sum(node.gpus for node in cluster.nodes) == 0 and not is_autoscaled():
        gpus, reason = 0.0, "none: no node has a GPU"
    else:
        say("Measuring how much of a GPU a trial needs …")
        draws = RandomSampler(space, settings.seed, repeats=True)  # There may be fewer.
        pilots = [draws.configuration(number) for number in range(PILOTS)]
        size = worker_size(settings)
        gpus, reason = choose_gpus(study, data, pilots, settings.seed, epochs=settings.epochs, size=size)
    say(f"GPUs for each trial: {gpus:g} ({reason})")
    return gpus
