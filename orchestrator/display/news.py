"""What of a run is worth a line of its own, whatever else is shown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.scheduler.events import (
    CheckpointDamaged,
    CheckpointDelayed,
    NodeDraining,
    StopRequested,
    TrialFailed,
    TrialReported,
    TrialStopRequested,
    WorkerLost,
)
from orchestrator.scheduler.instructions import AGAIN, Adapt, GiveUp, Record, Stop, StopSampling, Suspend, Train
from orchestrator.scheduler.state import State

MOST = 5
"""Lines of one kind. A run in which everything fails says so often enough."""


class News:
    def __init__(self, state: State) -> None:
        self.state = state
        self._said: Counter[type[Record]] = Counter()
        self._told_of_beginning_again = False

    def of(self, records: Sequence[Record]) -> Iterator[str]:
        for record in records:
            line = None if type(record) is TrialReported else self._line(record)
            if line is None:
                continue
            self._said[type(record)] += 1
            if self._said[type(record)] <= MOST:
                yield line
            elif self._said[type(record)] == MOST + 1:
                yield f"{line} (more of this kind are not shown)"

    def _line(self, record: Record) -> str | None:
        match record:
            case WorkerLost(cause="dismissed"):
                return f"worker {record.worker} is replaced: {record.reason}"
            case WorkerLost():
                return f"worker {record.worker} was lost: {record.reason}"
            case NodeDraining():
                return f"node {record.node[:8]}: {record.reason}"
            case CheckpointDelayed():
                return f"the checkpoint of trial {record.trial} waits: {record.reason}"
            case CheckpointDamaged():
                return f"trial {record.trial} goes back to an earlier checkpoint, or begins again: {record.reason}"
            case GiveUp():
                return f"trial {record.trial} has failed: {record.reason}"
            case Suspend(cause="stalled") | Stop(timed_out=True):
                return f"trial {record.trial}: {record.reason}"
            case TrialFailed() if self._is_last(record):
                return f"trial {record.trial} failed: {failure(record)}"
            case Train() if self._begins_again(record) and not self._told_of_beginning_again:
                self._told_of_beginning_again = True
                return (
                    f"trial {record.assignment.trial} goes on from the start, for nothing of it was saved: "
                    "so does every trial of a `train` that never calls ctx.save"
                )
            case Adapt():
                return f"{record.part}: {record.reason}"
            case StopSampling():
                return f"no further configurations: {record.reason}"
            case StopRequested():
                return f"stopping: {record.reason}"
            case TrialStopRequested():
                return f"stopping trial {record.trial}: {record.reason}"
        return None

    def _is_last(self, record: TrialFailed) -> bool:
        """It was not ignored."""
        last = self.state.trials[record.trial].failure
        return last is not None and (last.attempt, last.at) == (record.attempt, record.at)

    def _begins_again(self, train: Train) -> bool:
        """It was paused, and not because of anything that went wrong."""
        assignment = train.assignment
        return assignment.attempt > 1 and assignment.after_epoch == 0 and not train.reason.startswith(AGAIN)


def failure(record: TrialFailed) -> str:
    """An exception on one line, with the line of the user's code."""
    message = " ".join(record.message.split())
    where = f" ({record.where})" if record.where else ""
    return f"{record.error}{': ' * bool(message)}{message}{where}"
