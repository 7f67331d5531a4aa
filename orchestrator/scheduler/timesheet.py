"""What the workers of a run have said their time goes into."""

from collections.abc import Mapping

from orchestrator.scheduler.events import WorkerSpent


class Timesheet:
    """Seconds of all workers by activity."""

    def __init__(self) -> None:
        self.starts = 0
        """How many workers have become ready."""
        self.starting: dict[str, float] = {}
        """What went into that."""
        self.spent: dict[str, float] = {}
        """What has gone into what since then."""
        self.given_at = 0.0
        """When a worker last got a trial that it did not have."""

    def take(self, record: WorkerSpent) -> None:
        is_start = "start" in record.seconds
        self.starts += is_start
        add_to(self.starting if is_start else self.spent, record.seconds)


def add_to(sums: dict[str, float], amounts: Mapping[str, float]) -> None:
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0.0) + amount
