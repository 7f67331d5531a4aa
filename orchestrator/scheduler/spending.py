"""What the workers' time went into, of which each one tells now and then (`WorkerSpent`).

Telling comes before waiting. So what a worker has not told yet is waiting if it has no trial, and training otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from orchestrator.objective import Objective
from orchestrator.scheduler.events import RunResumed, TrialReported, WorkerJoined, WorkerLost, WorkerSpent
from orchestrator.scheduler.instructions import Record, Train
from orchestrator.scheduler.state import State
from orchestrator.scheduler.timesheet import add_to

WAIT, TRAIN = "wait", "train"


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds of all workers, each from when it was ready."""

    at_trials: dict[str, float]
    """By activity."""
    waiting: float
    """For a trial, while there were some left to begin or to go on with."""
    over: float
    """Waiting once there were none, which is known when the run is finished."""
    starts: int
    """How many workers have started."""
    starting: dict[str, float]
    """What that took before, by activity."""

    @property
    def total(self) -> float:
        return sum(self.at_trials.values()) + self.waiting + self.over

    @property
    def busy_share(self) -> float:
        """From 0 to 1."""
        return sum(self.at_trials.values()) / self.total if self.total > 0 else 0.0


def spending(state: State) -> Spending | None:
    """Up to now; None where workers do not tell, as in simulated runs and in journals of older versions."""
    sheet = state.timesheet
    if not sheet.starts:
        return None
    sums, over = dict(sheet.spent), 0.0
    for worker in state.workers.values():
        untold = max(state.now - worker.told_at, 0.0)
        is_over = state.finished is not None and not worker.queue
        left_over = min(untold, state.now - sheet.given_at) if is_over else 0.0
        add_to(sums, {TRAIN if worker.queue else WAIT: untold - left_over})
        over += left_over
    return Spending(sums, sums.pop(WAIT, 0.0), over, sheet.starts, dict(sheet.starting))


def waiting_share(records: Iterable[Record], objective: Objective) -> float | None:
    """Of the workers' time from the first report until nothing was left to start: the share in which they waited.

    Args:
        records: The journal of a run, from its first record.
        objective: Of the run.

    Returns:
        From 0 to 1; None where that time is empty, or workers do not tell.
    """
    state = State(objective)
    first = inf
    here: dict[int, float] = {}
    stays: list[tuple[float, float]] = []
    waits: list[tuple[float, float]] = []
    idle: dict[int, float] = {}
    for record in records:
        state.apply(record)
        match record:
            case TrialReported():
                first = min(first, record.at)
            case WorkerJoined():
                here[record.worker] = record.at
            case WorkerLost() if record.worker in here:
                stays.append((here.pop(record.worker), record.at))
            case RunResumed():
                stays += [(since, record.at) for since in here.values()]
                here.clear()
            case WorkerSpent() if "start" not in record.seconds:
                # It had told before it waited, so that came first.
                began = record.at - sum(record.seconds.values())
                waits.append((began, began + record.seconds.get(WAIT, 0.0)))
                idle.pop(record.worker, None)
            case Train() if state.timesheet.given_at == state.now:
                idle = {number: state.workers[number].told_at for number in state.idle}
    last = state.timesheet.given_at
    stays += [(since, last) for since in here.values()]
    waits += [(since, last) for since in idle.values()]
    present = sum(_overlap(begin, end, first, last) for begin, end in stays)
    waiting = sum(_overlap(begin, end, first, last) for begin, end in waits)
    return waiting / present if present > 0 and state.timesheet.starts else None


def _overlap(begin: float, end: float, first: float, last: float) -> float:
    return max(0.0, min(end, last) - max(begin, first))
