"""Where trials that were begun go on: at any idle worker, after running out of memory at a fresh one."""

from collections.abc import Iterator
from math import inf

from orchestrator.scheduler.instructions import Dismiss
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.stoppers import Promotion, Stopper


def first_ready(state: State) -> Iterator[Trial]:
    """Of those that need a fresh worker, which come first lest others use it, and of the others: what does not do for
    the first of them does for none."""
    for ready in (state.ready_for_fresh, state.ready):
        if ready:
            yield state.trials[ready[0]]


def worker_for(trial: Trial, state: State) -> int | None:
    """An idle one, if there is one that will do."""
    if not trial.needs_fresh_worker:
        return state.idle[0] if state.idle else None
    return next((number for number in state.idle if state.workers[number].is_fresh), None)


def replacement(trial: Trial, state: State) -> Dismiss | None:
    """An idle worker that has trained before makes room for a fresh one, where nothing else will bring one."""
    if state.count(Status.RUNNING) or any(worker.leaving is not None for worker in state.workers.values()):
        return None
    return Dismiss(worker=state.idle[0], reason=f"trial {trial.number} ran out of memory and goes on in a fresh worker")


def finalists(stopper: Stopper, state: State, max_epochs: int) -> Iterator[Promotion]:
    """Paused trials that may train to the end, the best first, when nothing else would complete.

    Where a run was extended to more epochs, its stopper may have no rung where trials were paused: it knows of none.
    """
    yield from stopper.finalists()
    paused = [state.trials[number] for number in state.by_status[Status.PAUSED]]
    for trial in sorted(paused, key=lambda trial: -inf if trial.score is None else trial.score, reverse=True):
        yield Promotion(trial.number, max_epochs, "nothing else is left: the best of those that are paused")


def best_without_weights(state: State) -> Trial | None:
    """The first row of the leaderboard, if it is to end as it was paused, but what it was then is lost."""
    best = state.best
    return best if best is not None and best.status is Status.PAUSED and best.weights_lost else None
