"""The end of a search: what workers do for which nothing is left to begin or to promote, and how the run finishes.

Free workers first train the best trials to max epochs, as many as `finish_best` says, where the stopper has paused
these; then they repeat the best one with other seeds, `repeat_best` times. What has been free for `release_after`
seconds is released, so that others can use its part of the cluster; as many stay as trials are under way, and as many
as the stopper may still promote at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.scheduler.instructions import Dismiss, EndRun, Finish, Outcome
from orchestrator.scheduler.limits import Limits, hopeless
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.stoppers import Promotion, Stopper

NOTHING_LEFT = "nothing is left for it to train"


@dataclass(frozen=True, slots=True)
class Closing:
    finish_best: int = 0
    repeat_best: int = 0
    release_after: float | None = None
    """Not at once: a trial may yet want it, and a worker takes seconds to start."""

    def unfinished(self, state: State, max_epochs: int) -> Iterator[Promotion]:
        """Those of the best that are paused."""
        for place, (_, number) in enumerate(state.ranking[: self.finish_best], 1):
            if state.trials[number].status is Status.PAUSED:
                yield Promotion(number, max_epochs, f"trained to the end: it is number {place} of all")

    def to_repeat(self, state: State) -> tuple[Trial, str] | None:
        """The best trial and why, while it has been repeated too seldom."""
        if not self.repeat_best:
            return None
        trials = (state.trials[number] for _, number in state.ranking)
        best = next((trial for trial in trials if not trial.is_repeat), None)
        if best is None or (best.status is Status.PAUSED and not state.count(Status.COMPLETED)):
            return None  # One of those that are paused is trained to the end first.
        if (before := state.repeats.get(best.number, 0)) >= self.repeat_best:
            return None
        count = f"{before + 1} of {self.repeat_best}"
        return best, f"repeats trial {best.number}, the best, with another seed ({count})"

    def is_left(self, state: State) -> bool:
        """Whether a worker would have something to do."""
        return self.to_repeat(state) is not None or any(True for _ in self.unfinished(state, 0))

    def release(self, state: State, stopper: Stopper) -> Dismiss | float | None:
        """Of a worker that has had nothing to do for long enough, or when that will be; asked when nothing is left."""
        if self.release_after is None or (number := _spare(state, stopper)) is None:
            return None
        at = state.workers[number].idle_since + self.release_after
        return Dismiss(worker=number, reason=NOTHING_LEFT, slices=0) if state.now >= at else at


def _spare(state: State, stopper: Stopper) -> int | None:
    """The idle worker that has waited longest, of those that are not needed."""
    at_once = state.count(Status.PAUSED) if stopper.promotes_together else 0
    needed = state.count(Status.RUNNING) + state.count(Status.WAITING) + at_once
    staying = sum(worker.leaving is None for worker in state.workers.values())
    if not state.idle or staying <= max(needed, 1):
        return None
    number: int = min(state.idle, key=lambda number: state.workers[number].idle_since)
    return number


def early_end(state: State, limits: Limits) -> EndRun | None:
    """Why the run is to end although there is work left."""
    if state.stop_requested is not None:
        return EndRun(outcome="interrupted", reason=state.stop_requested)
    if (failure := hopeless(state, limits.max_failures)) is not None:
        return EndRun(outcome="failed", reason=failure)
    if (reached := limits.reached(state)) is not None:
        return EndRun(outcome="done", reason=reached)
    return None


def finish(state: State, outcome: Outcome, reason: str) -> Finish:
    if outcome == "done" and state.best is None:
        counts = f"{state.count(Status.FAILED)} failed, {state.count(Status.DIVERGED)} diverged"
        first = f"; trial 0: {state.trials[0].reason}" if state.trials else ""
        return Finish(outcome="failed", reason=f"{reason}, and no trial has a score ({counts}){first}")
    return Finish(outcome=outcome, reason=reason)
