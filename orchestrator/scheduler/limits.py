"""What ends a run although there would be more to train."""

from dataclasses import dataclass

from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status

SECONDS_PER_HOUR = 3600.0
FIRST_TRIALS = 3
"""The same exception in each of these ends the run."""
MOST_LOSSES_IN_A_ROW = 4
"""So many workers lost, with no report in between and beyond two for each worker, end the run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`trials` begun, `max_time` seconds of the run's clock, `max_epochs_total` epochs reported by all trials together,
    `gpu_hours` held by workers that hold `gpus_per_trial` each, a score of `target` (as reported)."""

    trials: int | None = None
    max_time: float | None = None
    max_epochs_total: int | None = None
    gpu_hours: float | None = None
    gpus_per_trial: float = 0.0
    target: float | None = None
    max_failures: int | None = None
    """So many failed trials, since it was last resumed, end the run as failed."""

    def allow(self, number: int) -> bool:
        """Whether the sampler may draw so many and one more."""
        return self.trials is None or number < self.trials

    def reached(self, state: State) -> str | None:
        """Why the run is to end now."""
        if self.target is not None and (best := state.best) is not None and best.best is not None:
            score, target = best.best.score, state.objective.turn(self.target)
            if score >= target:
                reached = f"{state.objective.name} {state.objective.turn(score):.6g}"
                return f"target reached: {reached} in trial {best.number}, epoch {best.best.epoch}"
        if self.max_epochs_total is not None and state.epochs_trained >= self.max_epochs_total:
            return f"epoch limit reached: {state.epochs_trained:,} epochs of at most {self.max_epochs_total:,}"
        if self.max_time is not None and state.now >= self.max_time:
            return f"time limit reached: {self.max_time:g} s"
        if self.gpu_hours is not None and (end := self._end_of_gpu_hours(state)) is not None and state.now >= end:
            return f"GPU limit reached: {self.gpu_hours:g} GPU-hours"
        return None

    def next_moment(self, state: State) -> float | None:
        """When, if nothing else happens, one of them will be reached."""
        moments = [self.max_time, self._end_of_gpu_hours(state)]
        return min((moment for moment in moments if moment is not None), default=None)

    def _end_of_gpu_hours(self, state: State) -> float | None:
        if self.gpu_hours is None or not state.workers or self.gpus_per_trial <= 0:
            return None
        seconds_left = self.gpu_hours * SECONDS_PER_HOUR / self.gpus_per_trial - state.worker_seconds
        return state.staffed_since + seconds_left / state.slices


def hopeless(state: State, max_failures: int | None = None) -> str | None:
    """What makes going on pointless, for every trial would meet it."""
    most = MOST_LOSSES_IN_A_ROW + 2 * state.most_workers
    if state.losses_in_a_row >= most:
        return f"{state.losses_in_a_row} workers were lost in a row without a report, the last: {state.last_loss}"
    if state.bad_study is not None:
        return state.bad_study
    failed = state.by_status[Status.FAILED]
    count = len(failed) - state.failures_before
    if max_failures is not None and count >= max_failures:
        one = state.trials[failed[-1]]
        return f"{count} trials have failed (--max-failures {max_failures}), such as trial {one.number}: {one.reason}"
    first = state.trials[state.resumed_at : state.resumed_at + FIRST_TRIALS]
    failures = [trial.failure for trial in first if trial.is_failing]
    if len(failures) < FIRST_TRIALS or failures[0] is None:
        return None
    if len({failure and (failure.error, failure.where) for failure in failures}) > 1:
        return None
    return f"the first {FIRST_TRIALS} trials failed alike: {failures[0].error}: {failures[0].message}"
