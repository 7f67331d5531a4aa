"""The workers of a random world, and what they have in memory."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from orchestrator.assignment import Assignment
from orchestrator.scheduler.events import Event
from orchestrator.scheduler.instructions import Pause, Train


@dataclass
class Training:
    """One trial in a worker's memory."""

    assignment: Assignment
    epoch: int
    best_epoch: int = 0
    best_score: float = -inf
    asks: bool = False
    """It is at the end of its assignment and waits for what follows."""
    hangs: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.assignment.trial, self.assignment.attempt


@dataclass
class Worker:
    number: int
    slices: int = 1
    inbox: deque[Train | Pause] = field(default_factory=deque)
    outbox: deque[Event] = field(default_factory=deque)
    stopped: set[tuple[int, int]] = field(default_factory=set)
    suspended: set[tuple[int, int]] = field(default_factory=set)
    over: set[tuple[int, int]] = field(default_factory=set)
    """Attempts that ended here."""
    training: Training | None = None

    def can_work(self) -> bool:
        if self.training is None:
            return bool(self.inbox)
        if self.training.hangs:
            return False
        if not self.training.asks or self.training.key in self.stopped | self.suspended:
            return True
        return bool(self.inbox) and key_of(self.inbox[0]) == self.training.key


def node_of(worker: int) -> str:
    """Two share one, and its GPU."""
    return f"node-{worker // 2}"


def key_of(command: Train | Pause) -> tuple[int, int]:
    step = command.assignment if isinstance(command, Train) else command
    return step.trial, step.attempt
