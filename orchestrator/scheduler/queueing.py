"""Which worker gets new trials queued behind the one that it is ending, and how many."""

from orchestrator.scheduler.events import Event, TrialEvent
from orchestrator.scheduler.state import State
from orchestrator.scheduler.worker import Worker

QUEUE_SECONDS = 0.1
"""About as much work is queued as keeps a worker busy this long: none behind trials that take longer."""
LONGEST_QUEUE = 16


def worker_of(event: Event, state: State) -> Worker | None:
    """Whose trial the event speaks of."""
    if not isinstance(event, TrialEvent):
        return None
    number = state.trials[event.trial].worker
    return None if number is None else state.workers.get(number)


def has_room(worker: Worker, state: State) -> bool:
    """Behind an assignment that ends its trial, for as many new ones as are done in a moment."""
    if worker.leaving or not worker.queue or len(worker.queue) > _length(state):
        return False
    queued = [state.trials[number] for number in worker.queue]
    return all(trial.assignment.ends_trial and not trial.needs_fresh_worker for trial in queued)


def _length(state: State) -> int:
    if not state.turnarounds:
        return 0
    mean = state.turnaround_seconds / state.turnarounds
    return LONGEST_QUEUE if mean * LONGEST_QUEUE <= QUEUE_SECONDS else int(QUEUE_SECONDS / mean)
