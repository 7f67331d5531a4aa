"""The brain: `Scheduler.handle(event) -> list[Instruction]`.

It is pure: it knows no clock, no thread and no machine, only its `State`, a sampler, a stopper and the limits.
`handle` takes in one fact and then asks `_decide` for one decision at a time. `_decide` changes nothing; each decision
is taken in, as a fact is, before the next is asked for. So folding a journal of facts and decisions with `fold` gives
the same scheduler as having lived through it, and deciding anew from the facts alone gives the same decisions.

What is decided first:
 1. When the run is to end, that is decided, once; then every live trial is stopped; once no worker holds one, the run
    is finished.
 2. A trial that has reached the end of its assignment is judged.
 3. An idle worker gets, in this order: a trial whose worker was lost, a promotable one, a new configuration.
 4. A worker that is ending a brief trial gets the next ones queued behind it, so that it need not wait for us.
 5. With nothing left to begin and nothing running: if no trial has completed, the best paused one trains to the end;
    then the paused ones are stopped, and the run is finished.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

import msgspec

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.draws import training_seed
from orchestrator.objective import Objective
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import Event, TrialEvent, TrialReported
from orchestrator.scheduler.instructions import (
    Discard,
    EndRun,
    Finish,
    GiveUp,
    Instruction,
    Outcome,
    Pause,
    Record,
    Stop,
    StopSampling,
    Train,
    WakeAt,
)
from orchestrator.scheduler.state import State, Worker
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.stoppers import Promotion, Stopper

QUEUE_SECONDS = 0.1
"""About as much work is queued at a worker as keeps it busy this long: none behind trials that take longer."""
LONGEST_QUEUE = 16
FIRST_TRIALS = 3
"""The same exception in each of these ends the run."""
MOST_LOSSES = 3
"""A trial whose worker is lost this often, with no checkpoint in between, has failed."""
MOST_LOSSES_IN_A_ROW = 4
"""So many workers lost, with no report in between and beyond two for each worker, end the run."""
RELEASE_SECONDS = 20.0
"""How long the end of a run waits for workers to let go of their trials."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends: `trials` begun, `max_time` seconds of its clock, a score of `target` (as reported)."""

    trials: int | None = None
    max_time: float | None = None
    target: float | None = None


class Scheduler:
    def __init__(
        self, objective: Objective, sampler: Sampler, stopper: Stopper, limits: Limits, *, max_epochs: int, seed: int
    ) -> None:
        self.state = State(objective)
        self.sampler = sampler
        self.stopper = stopper
        self.limits = limits
        self.max_epochs = max_epochs
        self.seed = seed

    def handle(self, event: Event) -> list[Instruction]:
        """Take in one fact and decide what follows.

        Raises:
            IllegalRecord: The event cannot follow; nothing was changed.
        """
        instructions: list[Instruction] = []
        if not self._apply(event):
            return instructions
        while (instruction := self._decide(event)) is not None:
            self._apply(instruction)
            instructions.append(instruction)
        return instructions

    def fold(self, records: Iterable[Record]) -> None:
        """Take in the facts and decisions of a journal; nothing is decided."""
        for record in records:
            self._apply(record)

    def _apply(self, record: Record) -> bool:
        """Tell the state, then the stopper, which only hears of trials that it could still judge.

        False when the record was ignored.
        """
        if not self.state.apply(record):
            return False
        self._tell_stopper(record)
        return True

    def _tell_stopper(self, record: Record) -> None:
        stopper = self.stopper
        match record:
            case TrialReported():
                trial = self.state.trials[record.trial]
                if trial.status is Status.RUNNING:
                    stopper.reported(trial.number, record.epoch, trial.curve[-1].score)
            case Train():
                stopper.resumed(record.assignment.trial)
            case Pause():
                stopper.paused(record.trial)
            case Stop():
                stopper.ended(record.trial)
            case GiveUp():
                stopper.withdrawn(record.trial)
            case TrialEvent():
                match self.state.trials[record.trial].status:
                    case Status.DIVERGED:
                        stopper.diverged(record.trial)
                    case Status.FAILED:
                        stopper.withdrawn(record.trial)
                    case Status.COMPLETED:
                        stopper.ended(record.trial)

    # Deciding. Nothing below changes anything.

    def _decide(self, event: Event) -> Instruction | None:
        state = self.state
        if state.finished is not None:
            return None
        if (discard := self._discard()) is not None:
            return discard
        if state.ending is not None:
            return self._end_early(state.ending)
        if (ending := self._ending()) is not None:
            return EndRun(outcome=ending[0], reason=ending[1])
        if state.wake_at is None and self.limits.max_time is not None:
            return WakeAt(time=self.limits.max_time)
        if (verdict := self._judge(event) or self._give_up()) is not None:
            return verdict
        return self._fill_idle(event) or self._fill_queue(event) or self._wind_up(event)

    def _discard(self) -> Discard | None:
        """What a newer one replaces, and of the ended trials' checkpoints all but the best one's."""
        state = self.state
        for checkpoint in state.superseded.values():
            return Discard(checkpoint=checkpoint)
        for number in state.ended_saved:
            trial = state.trials[number]
            if trial is not state.best_saved and trial.checkpoint is not None:
                return Discard(checkpoint=trial.checkpoint)
        return None

    def _give_up(self) -> GiveUp | None:
        for number in self.state.lost:
            trial = self.state.trials[number]
            if trial.losses >= MOST_LOSSES:
                reason = f"its worker was lost {trial.losses} times: {self.state.last_loss}"
                return GiveUp(trial=number, attempt=trial.attempt, reason=reason)
        return None

    def _judge(self, event: Event) -> Instruction | None:
        """The trial that has just reached the end of its assignment is told what follows."""
        if not isinstance(event, TrialReported):
            return None
        trial = self.state.trials[event.trial]
        assignment = trial.assignment
        if (
            trial.status is not Status.RUNNING
            or trial.epoch < assignment.to_epoch
            or assignment.ends_trial
            or not isfinite(trial.curve[-1].score)
            or trial.holder is None
        ):
            return None
        verdict = self.stopper.judge(trial.number, trial.epoch)
        identity = {"worker": trial.holder, "trial": trial.number, "attempt": trial.attempt}
        if verdict.action == "pause":
            return Pause(**identity, reason=verdict.reason)
        if verdict.action == "stop":
            return Stop(**identity, reason=verdict.reason)
        return self._continue(trial, trial.holder, self.stopper.horizon(trial.epoch), verdict.reason, in_memory=True)

    def _fill_idle(self, event: Event) -> Train | StopSampling | None:
        state = self.state
        if not state.idle:
            return None
        worker = state.idle[0]
        for number in state.lost:
            trial = state.trials[number]
            return self._continue(trial, worker, trial.assignment.to_epoch, f"again: {trial.reason}", in_memory=False)
        for promotion in self.stopper.promotable():
            if (train := self._resume(event, promotion)) is not None:
                return train
        return self._begin(worker, queued=False)

    def _fill_queue(self, event: Event) -> Train | StopSampling | None:
        """Behind an assignment that ends its trial, as many new ones as are done in a moment."""
        worker = self._worker_of(event)
        if worker is None or not worker.queue or len(worker.queue) > self._queue_length():
            return None
        if not all(self.state.trials[number].assignment.ends_trial for number in worker.queue):
            return None
        return self._begin(worker.number, queued=True)

    def _worker_of(self, event: Event) -> Worker | None:
        if not isinstance(event, TrialEvent):
            return None
        number = self.state.trials[event.trial].worker
        return None if number is None else self.state.workers.get(number)

    def _queue_length(self) -> int:
        state = self.state
        if not state.turnarounds:
            return 0
        mean = state.turnaround_seconds / state.turnarounds
        return LONGEST_QUEUE if mean * LONGEST_QUEUE <= QUEUE_SECONDS else int(QUEUE_SECONDS / mean)

    def _resume(self, event: Event, promotion: Promotion) -> Train | None:
        """Let a paused trial go on: where it is, if it was paused this very moment, else anywhere once it is let go."""
        trial = self.state.trials[promotion.trial]
        holder = trial.holder
        just_paused = isinstance(event, TrialReported) and event.trial == trial.number
        if just_paused and holder is not None and holder in self.state.idle:
            return self._continue(trial, holder, promotion.to_epoch, promotion.reason, in_memory=True)
        if holder is None:
            return self._continue(trial, self.state.idle[0], promotion.to_epoch, promotion.reason, in_memory=False)
        return None

    def _begin(self, worker: int, *, queued: bool) -> Train | StopSampling | None:
        """The next new trial, if there is to be one."""
        state = self.state
        number = len(state.trials)
        if state.sampling_stopped is not None or (self.limits.trials is not None and number >= self.limits.trials):
            return None
        try:
            configuration = self.sampler.configuration(number)
        except Exhausted as exhausted:
            return StopSampling(reason=str(exhausted))
        assignment = Assignment(
            trial=number,
            attempt=1,
            configuration=configuration,
            seed=training_seed(self.seed, number),
            after_epoch=0,
            to_epoch=self.stopper.horizon(0),
            max_epochs=self.max_epochs,
            keep_above=state.safe_score,
        )
        return Train(worker=worker, assignment=assignment, reason="a new configuration", queued=queued)

    def _continue(self, trial: Trial, worker: int, to_epoch: int, reason: str, *, in_memory: bool) -> Train:
        """Go on from the worker's memory, or else from the trial's checkpoint, or else from the start."""
        start: Checkpoint | None = None if in_memory else trial.checkpoint
        after_epoch = trial.epoch if in_memory else start.epoch if start else 0
        assignment = msgspec.structs.replace(
            trial.assignment,
            attempt=trial.attempt + (after_epoch < trial.epoch),
            after_epoch=after_epoch,
            to_epoch=to_epoch,
            start=start,
            keep_above=self.state.safe_score,
        )
        return Train(worker=worker, assignment=assignment, reason=reason)

    # The end of a run.

    def _ending(self) -> tuple[Outcome, str] | None:
        """Why the run is to end although there is work left."""
        state, limits = self.state, self.limits
        if state.stop_requested is not None:
            return "interrupted", state.stop_requested
        if (failure := self._hopeless()) is not None:
            return "failed", failure
        if limits.target is not None and (best := state.best) is not None and best.best is not None:
            score, target = best.best.score, state.objective.turn(limits.target)
            if score >= target:
                reached = f"{state.objective.name} {state.objective.turn(score):.6g}"
                return "done", f"target reached: {reached} in trial {best.number}, epoch {best.best.epoch}"
        if limits.max_time is not None and state.now >= limits.max_time:
            return "done", f"time limit reached: {limits.max_time:g} s"
        return None

    def _hopeless(self) -> str | None:
        """What makes going on pointless, for every trial would meet it."""
        state = self.state
        most = MOST_LOSSES_IN_A_ROW + 2 * state.most_workers
        if state.losses_in_a_row >= most:
            return f"{state.losses_in_a_row} workers were lost in a row without a report, the last: {state.last_loss}"
        if state.bad_study is not None:
            return state.bad_study
        failed = state.by_status[Status.FAILED]
        if len(failed) < FIRST_TRIALS or failed[FIRST_TRIALS - 1] != FIRST_TRIALS - 1:
            return None
        failures = [state.trials[number].failure for number in range(FIRST_TRIALS)]
        if len({failure and (failure.error, failure.where) for failure in failures}) > 1 or failures[0] is None:
            return None
        return f"the first {FIRST_TRIALS} trials failed alike: {failures[0].error}: {failures[0].message}"

    def _end_early(self, ending: EndRun) -> Instruction | None:
        state = self.state
        for status in (Status.RUNNING, Status.WAITING, Status.PAUSED):
            for number in state.by_status[status]:
                return self._stop(state.trials[number], f"{ending.reason} (was {status})")
        return self._finish(ending.outcome, ending.reason)

    def _wind_up(self, event: Event) -> Instruction | None:
        """Nothing is left to begin: the last promotions, then the end."""
        state = self.state
        if state.count(Status.RUNNING) or state.count(Status.WAITING) or not self._nothing_left_to_begin():
            return None
        if next(self.stopper.promotable(), None) is not None:
            return None  # Its worker has not let go of it yet, or there is no worker.
        if state.idle and not state.count(Status.COMPLETED):
            for finalist in self.stopper.finalists():
                return self._resume(event, finalist)
        if state.count(Status.COMPLETED) or not state.count(Status.PAUSED):
            for number in state.by_status[Status.PAUSED]:
                return self._stop(state.trials[number], self.stopper.standing(number))
            if not state.trials:
                return self._finish("failed", state.sampling_stopped or "there was nothing to train")
            return self._finish("done", state.sampling_stopped or f"all {len(state.trials)} trials ended")
        return None

    def _nothing_left_to_begin(self) -> bool:
        state = self.state
        if state.sampling_stopped is not None:
            return True
        return self.limits.trials is not None and len(state.trials) >= self.limits.trials

    def _stop(self, trial: Trial, reason: str) -> Stop:
        return Stop(worker=trial.holder, trial=trial.number, attempt=trial.attempt, reason=reason)

    def _finish(self, outcome: Outcome, reason: str) -> Instruction | None:
        """Once every worker has let go of its trials, or is given up."""
        state = self.state
        give_up_at = state.last_stop + RELEASE_SECONDS
        if state.held and state.now < give_up_at:
            return WakeAt(time=give_up_at) if state.wake_at != give_up_at else None
        if outcome == "done" and state.best is None:
            counts = f"{state.count(Status.FAILED)} failed, {state.count(Status.DIVERGED)} diverged"
            first = f"; trial 0: {state.trials[0].reason}" if state.trials else ""
            return Finish(outcome="failed", reason=f"{reason}, and no trial has a score ({counts}){first}")
        return Finish(outcome=outcome, reason=reason)
