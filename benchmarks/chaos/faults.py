"""Which faults strike, in what order and after how long: drawn from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = {
    "driver": "driver SIGKILL",
    "worker": "worker SIGKILL",
    "node": "raylet of a node SIGKILL",
    "hang": "worker SIGSTOP (a hang)",
    "ctrl-c": "Ctrl-C",
    "checkpoint": "checkpoint damaged",
    "disk": "disk full",
}
"""By the name on the command line, as the table shows them. `checkpoint` is a driver SIGKILL first."""
LONGEST_AFTER = 4.0
HASTY = 0.25
LONGEST_HASTE = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    after: float
    """Seconds from the recovery before it; of a hasty fault, from the fault before it."""
    hasty: bool
    """It strikes whether or not the run has recovered."""
    victim: float
    """Which of those that may be struck, from 0 to 1."""
    how: float
    """What else there is to choose, from 0 to 1: how a file is damaged, how long the disk is full."""

    def among(self, count: int) -> int:
        return min(int(self.victim * count), count - 1)


def draw(seed: int, count: int, kinds: Sequence[str]) -> list[Fault]:
    """`count` faults, all kinds equally often (within one), in a random order."""
    generator = random.Random(seed)
    order: list[str] = []
    while len(order) < count:
        order += generator.sample(list(kinds), len(kinds))
    return [_one(kind, generator) for kind in order[:count]]


def _one(kind: str, generator: random.Random) -> Fault:
    hasty = generator.random() < HASTY and kind == "driver"
    return Fault(
        kind=kind,
        after=generator.uniform(0, LONGEST_HASTE if hasty else LONGEST_AFTER),
        hasty=hasty,
        victim=generator.random(),
        how=generator.random(),
    )
