"""Where trials that were begun go on: at any idle worker, after running out of memory at a fresh and maybe wider one.

One that has compiled a graph of the trial's structure is preferred. So is, among the next few promotions to one rung, a
trial that the idle worker can take warm to one that another worker can: that one takes it when it is idle, for then it
is the first. Nothing waits for a worker that is not there, and no rung for another.
"""

from collections.abc import Iterator
from itertools import chain, islice
from math import inf

from orchestrator.scheduler.instructions import Dismiss
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.scheduler.worker import Worker
from orchestrator.stoppers import Promotion, Stopper

NEAR = 16
"""How many promotions are looked at beyond the first."""


def first_ready(state: State) -> Iterator[Trial]:
    """Of those that need a fresh worker, which come first lest others use it, and of the others: what does not do for
    the first of them does for none."""
    for ready in (state.ready_for_fresh, state.ready):
        if ready:
            yield state.trials[ready[0]]


def worker_for(trial: Trial, state: State, slices: int) -> int | None:
    """An idle one, if there is one that will do: for a trial that ran out of memory, with so many slices of a GPU."""
    if not trial.needs_fresh_worker:
        return warmest(trial, state) if state.idle else None
    idle = (state.workers[number] for number in state.idle)
    return next((worker.number for worker in idle if worker.is_fresh and worker.slices >= slices), None)


def warmest(trial: Trial, state: State) -> int:
    """Of the idle workers, of which there is one."""
    number: int = next((one for one in state.idle if _is_warm(trial, state.workers[one])), state.idle[0])
    return number


def warm_first(promotions: Iterator[Promotion], state: State) -> Iterator[Promotion]:
    """Promotions in their order, but for one that had better wait for its worker."""
    first = next(promotions, None)
    if first is None:
        return
    trial, idle = state.trials[first.trial], {number: state.workers[number] for number in state.idle}
    others = (worker for number, worker in state.workers.items() if number not in idle and worker.leaving is None)
    if trial.structure is None or not any(_is_warm(trial, worker) for worker in others):
        yield from chain([first], promotions)
        return
    near = [first, *islice(promotions, NEAR)]
    warm = [
        promotion
        for promotion in near
        if promotion.to_epoch == first.to_epoch
        and any(_is_warm(state.trials[promotion.trial], worker) for worker in idle.values())
    ]
    yield from chain(warm[:1], (promotion for promotion in near if promotion not in warm[:1]), promotions)


def _is_warm(trial: Trial, worker: Worker) -> bool:
    return trial.structure is not None and trial.structure in worker.structures


def replacement(trial: Trial, state: State, slices: int) -> Dismiss | None:
    """An idle worker makes room for a fresh one, and as wide a one, where nothing else will bring one."""
    if state.widening or state.count(Status.RUNNING) or any(worker.leaving for worker in state.workers.values()):
        return None
    reason = f"trial {trial.number} ran out of memory and goes on in a fresh worker"
    return Dismiss(worker=state.idle[0], reason=reason, slices=slices)


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
