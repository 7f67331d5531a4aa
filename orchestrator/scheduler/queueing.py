"""Which worker gets new trials queued behind the one that it is ending, and how many.

A worker that asks only when it is through waits for a round trip: some milliseconds, and ten times that while the
driver is busy or far away. What is queued instead is given to a worker sooner than need be: at the end of a run it may
wait there while another worker has nothing left to do. So how much is queued depends on how long trials take:

- brief ones, of less than QUEUE_SECONDS: as many as keep a worker busy that long, at most LONGEST_QUEUE. With trials of
  a millisecond a round trip for each would be most of the time. With many workers for longer, so that all of them
  together ask no more than ROUND_TRIPS times a second, up to MOST_SECONDS: the driver's time goes into that more than
  into what is asked;
- up to ONE_SECONDS: one. A wait of 20 ms is a hundredth of 2 s, and twice as much as the end of a run of 100 trials
  on 4 workers can lose by it;
- longer ones: none.

Never more than a worker's share of the new trials that are left, and none of the last, as many as there are workers:
whoever is free first takes those.
"""

from orchestrator.scheduler.events import Event, TrialEvent
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.state import State
from orchestrator.scheduler.worker import Worker

QUEUE_SECONDS, MOST_SECONDS = 0.1, 4.0
ROUND_TRIPS = 25.0
LONGEST_QUEUE = 256
ONE_SECONDS = 2.0


def worker_of(event: Event, state: State) -> Worker | None:
    """Whose trial the event speaks of."""
    if not isinstance(event, TrialEvent):
        return None
    number = state.trials[event.trial].worker
    return None if number is None else state.workers.get(number)


def has_room(worker: Worker, state: State, limits: Limits) -> bool:
    """Behind an assignment that ends its trial, for as many new ones as are done in a moment."""
    if worker.leaving or not worker.queue or len(worker.queue) > length(state):
        return False
    if not limits.allow(state.drawn + len(worker.queue) * len(state.workers)):
        return False
    last = state.trials[worker.queue[-1]]  # Behind which the others were queued on the same terms.
    return last.assignment.ends_trial and not last.needs_fresh_worker


def length(state: State) -> int:
    mean = state.trial_seconds
    if mean is None or mean > ONE_SECONDS:
        return 0
    if mean > QUEUE_SECONDS:
        return 1
    seconds = min(max(QUEUE_SECONDS, len(state.workers) / ROUND_TRIPS), MOST_SECONDS)
    return LONGEST_QUEUE if mean * LONGEST_QUEUE <= seconds else int(seconds / mean)
