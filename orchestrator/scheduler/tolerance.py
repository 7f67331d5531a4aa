"""How much of each kind of fault a run bears with: how often a trial is tried again, and how long it may be silent.

exception                    tried again `retries` times; not if it happened just as in the attempt before
configuration, bad study     never tried again, for it would fail alike
storage                      as an exception
out of memory                once more, in a fresh worker with nothing queued behind it; where workers hold slices of a
                             GPU, in one that is twice as wide, until that is the whole GPU
no report for too long       tried again `retries` times
worker died in training      three times with no checkpoint in between is the trial's own doing
node died, preempted, worker dismissed    nobody's failure: as often as it happens
"""

from dataclasses import dataclass
from math import ceil, inf, log2
from typing import Literal

from orchestrator.scheduler.events import TimeReached, TrialReported
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial

LOST = "its worker was lost: "
MOST_LOSSES = 3
LEAST_MEMORY_FAILURES = 2
LEAST_STALL_SECONDS = 600.0
STALL_FACTOR = 20.0
"""With `auto`, silence of so many times the longest epoch is a stall."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    retries: int = 2
    trial_timeout: float | None = None
    """Seconds that a trial may train in all."""
    stall_timeout: float | Literal["auto"] | None = None
    """Seconds without a report."""
    widest: int = 1
    """So many slices of a GPU are a whole one."""

    @property
    def memory_failures(self) -> int:
        """How many end a trial."""
        return max(LEAST_MEMORY_FAILURES, 1 + ceil(log2(self.widest)))


def given_up(trial: Trial, state: State, tolerance: Tolerance) -> str | None:
    """Why a waiting trial is not tried again."""
    if trial.losses >= MOST_LOSSES:
        return f"its worker was lost {trial.losses} times: {state.last_loss}"
    if trial.memory_failures >= tolerance.memory_failures:
        what = cause(trial).removeprefix(LOST).removeprefix("out of memory: ")
        return f"out of memory again in a fresh worker: {what}"
    if trial.repeats_itself:
        return f"{cause(trial)} (and again when tried once more)"
    if trial.failures > tolerance.retries:
        times = f" ({trial.failures} times)" if trial.failures > 1 else ""
        return f"{cause(trial)}{times}"
    if trial.stalls > tolerance.retries:
        return f"timed out {trial.stalls} times: {trial.reason}" if trial.stalls > 1 else f"timed out: {trial.reason}"
    return None


def cause(trial: Trial) -> str:
    if trial.failure is not None:
        return f"{trial.failure.error}: {trial.failure.message}"
    return trial.reason


@dataclass(frozen=True, slots=True)
class Overdue:
    trial: Trial
    reason: str
    is_stalled: bool
    """Else it has trained for too long in all."""


def overdue(state: State, tolerance: Tolerance, event: TimeReached | TrialReported) -> Overdue | None:
    """A running trial whose time is up: the one that has just reported, or any once it is time to look."""
    if tolerance.trial_timeout is not None:
        running = state.by_status[Status.RUNNING]
        for number in running if isinstance(event, TimeReached) else [n for n in (event.trial,) if n in running]:
            trial = state.trials[number]
            if state.now >= _end_of(trial, state, tolerance.trial_timeout):
                reason = f"timed out: it has trained longer than {tolerance.trial_timeout:g} s (--trial-timeout)"
                return Overdue(trial, reason, is_stalled=False)
    limit = _stall_seconds(state, tolerance)
    if limit is not None and state.heard:
        number, heard = next(iter(state.heard.items()))
        if state.now >= heard + limit:
            return Overdue(state.trials[number], f"no report for {limit:g} s (--stall-timeout)", is_stalled=True)
    return None


def unresponsive(state: State, tolerance: Tolerance) -> tuple[int, str] | None:
    """A worker that has been asked to let go of a trial and has not, for as long as would be a stall; and why."""
    limit = _stall_seconds(state, tolerance)
    if limit is None or not state.parting:
        return None
    number, asked = next(iter(state.parting.items()))
    holder = state.trials[number].holder
    if state.now < asked + limit or holder is None:
        return None
    return holder, f"it did not let go of trial {number} for {limit:g} s (--stall-timeout)"


def next_deadline(state: State, tolerance: Tolerance) -> float | None:
    """When, if nothing else happens, a running trial's time will be up, or a worker is to be killed.

    While some wake-up is asked for already, it is enough to look at what was heard of just now: deadlines of others
    can only have moved on.
    """
    moments = [at for number in state.leaving if (at := state.workers[number].kill_at) < inf]
    limit = _stall_seconds(state, tolerance)
    if limit is not None:
        moments += [next(iter(since.values())) + limit for since in (state.heard, state.parting) if since]
    if tolerance.trial_timeout is not None:
        for number in reversed(state.heard):
            if state.wake_at is not None and state.heard[number] < state.now:
                break
            moments.append(_end_of(state.trials[number], state, tolerance.trial_timeout))
    return min(moments, default=None)


def _end_of(trial: Trial, state: State, timeout: float) -> float:
    return state.heard[trial.number] + timeout - trial.seconds


def _stall_seconds(state: State, tolerance: Tolerance) -> float | None:
    if tolerance.stall_timeout != "auto":
        return tolerance.stall_timeout
    return max(LEAST_STALL_SECONDS, STALL_FACTOR * state.longest_epoch) if state.longest_epoch else None
