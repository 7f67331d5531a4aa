"""What is known of one worker."""

from collections import deque
from dataclasses import dataclass
from math import inf

MOST_STRUCTURES = 8
"""As many as a worker keeps graphs of."""


class Worker:
    """`queue` holds its trials in order, the first of which it is training; `holds` also those it still lets go of."""

    __slots__ = (
        "gpus",
        "holds",
        "idle_since",
        "is_fresh",
        "is_through_with_one",
        "kill_at",
        "leaving",
        "node",
        "number",
        "queue",
        "since",
        "slices",
        "structures",
        "told_at",
    )

    def __init__(self, number: int, node: str, joined_at: float = 0.0, gpus: str = "", slices: int = 1) -> None:
        self.number = number
        self.node = node
        self.gpus = gpus
        self.slices = slices
        self.queue: deque[int] = deque()
        self.holds: set[int] = set()
        """Trials in its memory."""
        self.since = 0.0
        """When the first of the queue began."""
        self.idle_since = joined_at
        """When it last had nothing to train."""
        self.is_fresh = True
        """It has trained nothing yet."""
        self.is_through_with_one = False
        """A trial completed there."""
        self.leaving: str | None = None
        """Why it gets no further trial, and is to be dismissed once it holds none."""
        self.structures: deque[str] = deque(maxlen=MOST_STRUCTURES)
        """Of models that it has built, the last one first."""
        self.told_at = joined_at
        """When it last said what its time goes into."""
        self.kill_at = inf
        """When it is to be dismissed although it still holds one."""

    @property
    def card(self) -> tuple[str, str]:
        """The GPU of which it holds a slice."""
        return self.node, self.gpus

    def note_structure(self, structure: str) -> None:
        if structure in self.structures:
            self.structures.remove(structure)
        self.structures.appendleft(structure)


@dataclass(slots=True)
class Widening:
    """A worker that is to hold more slices than others is starting."""

    card: tuple[str, str]
    """Of the worker whose place it takes."""
    missing: int
    """So many slices of that have yet to become free."""
