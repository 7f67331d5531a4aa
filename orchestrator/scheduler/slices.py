"""How much of a GPU workers hold: one slice, and twice as much for a trial that has run out of its memory.

The worker where that happened makes way for a wider one. This can start once the rest of its slices on the same GPU are
free: of the workers there, so many as it takes leave, each when it has nothing to train. Once no trial needs it any
more, the wide worker makes way for one with a single slice, and the others come back. One widens at a time.
"""

from orchestrator.scheduler.instructions import Dismiss
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Trial


def wanted(trial: Trial, widest: int) -> int:
    """By a trial, of the slices that are a whole GPU."""
    return min(1 << trial.exhaustions, widest)


def of_replacement(state: State, widest: int) -> int:
    """How many slices the worker gets that takes a leaving one's place."""
    most = max((wanted(state.trials[number], widest) for number in state.ready_for_fresh), default=1)
    is_there = any(worker.slices >= most and worker.leaving is None for worker in state.workers.values())
    return 1 if is_there or state.widening is not None else most


def make_room(state: State, widest: int) -> Dismiss | None:
    """An idle worker goes for the sake of a wide one that is to start, or of those that a wide one has displaced."""
    widening = state.widening
    if widest == 1 or (widening is None and all(state.workers[number].slices == 1 for number in state.idle)):
        return None
    for number in state.idle:
        worker = state.workers[number]
        if widening is not None and widening.missing > 0 and worker.card == widening.card:
            reason = "it makes room for a worker with more of its GPU, for a trial that ran out of memory"
            return Dismiss(worker=number, reason=reason, slices=0)
        if worker.slices > 1 and not _is_wanted(worker.slices, state, widest):
            return Dismiss(worker=number, reason="it holds more of its GPU than any trial needs by now")
    return None


def _is_wanted(slices: int, state: State, widest: int) -> bool:
    return any(1 < wanted(state.trials[number], widest) <= slices for number in state.ready_for_fresh)
