"""How many trials are worth queueing at a worker, behind one that it is ending."""

from orchestrator.scheduler.state import State

QUEUE_SECONDS = 0.1
"""About as much work is queued as keeps a worker busy this long: none behind trials that take longer."""
LONGEST_QUEUE = 16


def queue_length(state: State) -> int:
    if not state.turnarounds:
        return 0
    mean = state.turnaround_seconds / state.turnarounds
    return LONGEST_QUEUE if mean * LONGEST_QUEUE <= QUEUE_SECONDS else int(QUEUE_SECONDS / mean)
