"""What is known of one worker."""

from collections import deque
from math import inf


class Worker:
    """`queue` holds its trials in order, the first of which it is training; `holds` also those it still lets go of."""

    __slots__ = ("holds", "is_fresh", "kill_at", "leaving", "node", "number", "queue", "since")

    def __init__(self, number: int, node: str) -> None:
        self.number = number
        self.node = node
        self.queue: deque[int] = deque()
        self.holds: set[int] = set()
        """Trials in its memory."""
        self.since = 0.0
        """When the first of the queue began."""
        self.is_fresh = True
        """It has trained nothing yet."""
        self.leaving: str | None = None
        """Why it gets no further trial, and is to be dismissed once it holds none."""
        self.kill_at = inf
        """When it is to be dismissed although it still holds one."""
