"""The brain: `Scheduler.handle(event) -> list[Instruction]`.

It is pure: it knows no clock, no thread and no machine, only its `State`, a sampler, a stopper and the limits.
`handle` takes in one fact and then asks `_decide` for one decision at a time. `_decide` changes nothing; each decision
is taken in, as a fact is, before the next is asked for. So folding a journal of facts and decisions with `fold` gives
the same scheduler as having lived through it, and deciding anew from the facts alone gives the same decisions.

What is decided first:
 1. When the run is to end early, that is decided, once; then every trial that a worker has is suspended, so that the
    run can be resumed; once no worker holds one, the run is finished.
 2. What somebody wants to end is stopped, what is overdue is stopped or suspended, its worker dismissed; what has
    failed too often is given up.
 3. A trial that has reached the end of its assignment is judged.
 4. An idle worker gets, in this order: a trial that was begun and is to go on (its worker was lost, it failed, it was
    suspended), a promotable one, a new configuration.
 5. A worker that is ending a brief trial gets the next ones queued behind it, so that it need not wait for us.
 6. With nothing left to begin, free workers train the best to the end, or repeat it, if they were told to; others are
    released. With nothing running either: if no trial has completed, the best paused one trains to the end; then the
    paused ones are stopped, and the run is finished.
"""

from collections.abc import Iterable, Sequence
from math import isfinite

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.objective import Objective
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler import closing, placing, proposing, slices
from orchestrator.scheduler.closing import Closing
from orchestrator.scheduler.events import Event, TimeReached, TrialFailed, TrialReported
from orchestrator.scheduler.instructions import (
    AGAIN,
    Adapt,
    Discard,
    Dismiss,
    EndRun,
    GiveUp,
    Instruction,
    Outcome,
    Pause,
    Record,
    Stop,
    StopSampling,
    Suspend,
    SuspendCause,
    Train,
    WakeAt,
)
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.queueing import has_room, worker_of
from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.state import State
from orchestrator.scheduler.telling import is_repeated, tell
from orchestrator.scheduler.tolerance import Tolerance, cause, given_up, next_deadline, overdue, unresponsive
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.scheduler.worker import Worker
from orchestrator.stoppers import Promotion, Stopper, Verdict

RELEASE_SECONDS = 20.0
"""How long the end of a run waits for workers to let go of their trials."""
WEIGHTS_LOST = "the best, whose weights were lost while it was paused"
PAUSED_AGAIN = Verdict("pause", "paused again, now that its weights are there")


class Scheduler:
    def __init__(
        self,
        objective: Objective,
        sampler: Sampler,
        stopper: Stopper,
        limits: Limits,
        *,
        max_epochs: int,
        seed: int,
        start: Sequence[Configuration] = (),
        tolerance: Tolerance | None = None,
        retention: Retention | None = None,
        closing: Closing | None = None,
        queues: bool = True,
    ) -> None:
        self.state = State(objective)
        self.sampler = sampler
        self.stopper = stopper
        self.limits = limits
        self.max_epochs = max_epochs
        self.seed = seed
        self.start = start
        """Configurations that are tried first."""
        self.tolerance = tolerance or Tolerance()
        self.retention = retention or Retention()
        self.closing = closing or Closing()
        self.queues = queues
        """Whether brief trials may be queued at workers: how many there are depends on how fast all goes."""
        moments = (self.limits.max_time, self.limits.gpu_hours, self.tolerance.stall_timeout)
        self._has_deadlines = any(moment is not None for moment in moments)

    def handle(self, event: Event) -> list[Instruction]:
        """Take in one fact and decide what follows.

        Raises:
            IllegalRecord: The event cannot follow; nothing was changed.
        """
        instructions: list[Instruction] = []
        if not self._apply(event) or self._is_routine(event):
            return instructions
        while (instruction := self._decide(event)) is not None:
            self._apply(instruction)
            instructions.append(instruction)
        return instructions

    def fold(self, records: Iterable[Record]) -> None:
        """Take in the facts and decisions of a journal; nothing is decided."""
        for record in records:
            self.take(record)

    def take(self, record: Record) -> None:
        """One of them."""
        self._apply(record)

    def _apply(self, record: Record) -> bool:
        """Tell the state, then the stopper and the sampler. False when the record was ignored."""
        again = is_repeated(record, self.state)
        if not self.state.apply(record):
            return False
        if not again:
            tell(record, self.state, self.stopper, self.sampler)
        if isinstance(record, Train | StopSampling) and self._nothing_left_to_begin():
            self.stopper.closed()
        return True

    # Deciding. Nothing below changes anything.

    def _is_routine(self, event: Event) -> bool:
        """A report in the midst of an assignment while every worker is at work: nothing follows from most of them.

        All that could be decided before it has been; so only what it changes itself is looked at. Where this says yes,
        `_decide` would have nothing to say: the tests ask it.
        """
        state = self.state
        if type(event) is not TrialReported or state.idle or state.leaving or state.ending or state.finished:
            return False
        trial = state.trials[event.trial]
        if trial.status is not Status.RUNNING or (trial.is_due and not trial.assignment.ends_trial):
            return False
        if self.tolerance.trial_timeout is not None or self.limits.reached(state) is not None:
            return False
        if self._has_deadlines and (state.wake_at is None or state.now >= state.wake_at):
            return False
        worker = worker_of(event, state) if self.queues else None
        return self._adapt() is None and (worker is None or not has_room(worker, state, self.limits))

    def _decide(self, event: Event) -> Instruction | None:
        state = self.state
        if state.finished is not None:
            return None
        if (checkpoint := self.retention.discardable(state)) is not None:
            return Discard(checkpoint=checkpoint)
        if state.ending is not None:
            return self._end_early(state.ending)
        if (ending := closing.early_end(state, self.limits)) is not None:
            return ending
        if (step := self._intervene(event)) is not None:
            return step
        for moment in (self.limits.next_moment(state), next_deadline(state, self.tolerance)):
            if (wake := self._wake(moment)) is not None:
                return wake
        if (step := self._adapt() or self._judge(event)) is not None:
            return step
        step = self._fill_idle(event) or self._fill_queue(event)
        if step is None and not self._nothing_left_to_begin():
            step = proposing.proposal(state, self.sampler, self.limits, self.start)
        return step or self._wind_up(event) or self._release()

    def _wake(self, moment: float | None) -> WakeAt | None:
        """Unless it will be woken before anyway."""
        wake_at = self.state.wake_at
        return None if moment is None or (wake_at is not None and wake_at <= moment) else WakeAt(time=moment)

    def _adapt(self) -> Adapt | None:
        if (adaptation := self.stopper.adaptation()) is not None:
            return Adapt(part="stopper", settings=adaptation.settings, reason=adaptation.reason)
        if (adaptation := self.sampler.adaptation()) is not None:
            return Adapt(part="sampler", settings=adaptation.settings, reason=adaptation.reason)
        return None

    def _intervene(self, event: Event) -> Instruction | None:
        """Where something went wrong, or is about to."""
        state = self.state
        for number in (*state.came_to_wait, event.trial) if isinstance(event, TrialFailed) else state.came_to_wait:
            trial = state.trials[number]
            if trial.faults and not trial.status.ended and (reason := given_up(trial, state, self.tolerance)):
                return GiveUp(trial=number, attempt=trial.attempt, reason=reason)
        for number in state.leaving:
            if (step := self._part_with(state.workers[number])) is not None:
                return step
        for number, reason in state.to_stop.items():
            return self._stop(state.trials[number], reason)
        if (excess := self.retention.excess(state)) is not None:
            return self._stop(*excess)
        if not isinstance(event, TimeReached | TrialReported):
            return None
        if (hung := unresponsive(state, self.tolerance)) is not None:
            return Dismiss(worker=hung[0], reason=hung[1])
        if (late := overdue(state, self.tolerance, event)) is None or late.trial.holder is None:
            return None
        if late.is_stalled:
            return self._suspend(late.trial, late.reason, "stalled")
        return msgspec.structs.replace(self._stop(late.trial, late.reason), timed_out=True)

    def _part_with(self, worker: Worker) -> Instruction | None:
        """Dismiss a worker that is to leave, once it holds nothing or has had time enough to let go."""
        state = self.state
        assert worker.leaving is not None
        if not worker.holds or state.now >= worker.kill_at:
            width = slices.of_replacement(state, self.tolerance.widest)
            return Dismiss(worker=worker.number, reason=worker.leaving, slices=width)
        if worker.node in state.draining:
            for number in worker.queue:
                return self._suspend(state.trials[number], worker.leaving, "draining")
        return None

    def _suspend(self, trial: Trial, reason: str, cause: SuspendCause = "ending") -> Suspend:
        assert trial.holder is not None
        return Suspend(worker=trial.holder, trial=trial.number, attempt=trial.attempt, reason=reason, cause=cause)

    def _judge(self, event: Event) -> Instruction | None:
        """The trial that has just reached the end of its assignment is told what follows."""
        if not isinstance(event, TrialReported):
            return None
        trial = self.state.trials[event.trial]
        if (
            trial.status is not Status.RUNNING
            or not trial.is_due
            or trial.assignment.ends_trial
            or not isfinite(trial.curve[-1].score)
            or trial.holder is None
        ):
            return None
        return self._carry_verdict(trial, trial.holder, in_memory=True)

    def _carry_verdict(self, trial: Trial, worker: int, *, in_memory: bool) -> Instruction:
        verdict = PAUSED_AGAIN if trial.weights_lost else self.stopper.judge(trial.number, trial.epoch)
        if verdict.action == "pause":
            return Pause(worker=trial.holder, trial=trial.number, attempt=trial.attempt, reason=verdict.reason)
        if verdict.action == "stop":
            return self._stop(trial, verdict.reason)
        to_epoch = self.stopper.horizon(trial.number, trial.epoch)
        return self._continue(trial, worker, to_epoch, verdict.reason, in_memory=in_memory)

    def _fill_idle(self, event: Event) -> Instruction | None:
        state = self.state
        if not state.idle:
            return None
        widest = self.tolerance.widest
        if (dismiss := slices.make_room(state, widest)) is not None:
            return dismiss
        for trial in placing.first_ready(state):
            width = slices.wanted(trial, widest)
            if (worker := placing.worker_for(trial, state, width)) is not None:
                return self._go_on(trial, worker)
            if (dismiss := placing.replacement(trial, state, width)) is not None:
                return dismiss
        for promotion in placing.warm_first(iter(self.stopper.promotable()), state):
            if (train := self._resume(event, promotion)) is not None:
                return train
        return self._begin(state.idle[0], queued=False) or self._close(event)

    def _close(self, event: Event) -> Train | None:
        """With nothing left to begin or to promote, the best trials go on to the end, or the best one is repeated."""
        if not self._nothing_left_to_begin():
            return None
        for promotion in self.closing.unfinished(self.state, self.max_epochs):
            if (train := self._resume(event, promotion)) is not None:
                return train
        if (repetition := self.closing.to_repeat(self.state)) is None:
            return None
        best, reason = repetition
        assignment = self._assignment(best.configuration, self.max_epochs, repeat_of=best.number)
        return Train(worker=self.state.idle[0], assignment=assignment, reason=reason)

    def _go_on(self, trial: Trial, worker: int) -> Instruction:
        """A trial that was begun and that no worker has: judged first, if its last report came too late for that."""
        to_epoch, saved_at = trial.assignment.to_epoch, trial.checkpoint.epoch if trial.checkpoint else 0
        if saved_at >= to_epoch:
            if to_epoch < trial.assignment.max_epochs:
                return self._carry_verdict(trial, worker, in_memory=False)
            if to_epoch < self.max_epochs:
                to_epoch = self.max_epochs if trial.is_repeat else self.stopper.horizon(trial.number, saved_at)
        return self._continue(trial, worker, to_epoch, f"{AGAIN}{trial.reason}", in_memory=False)

    def _fill_queue(self, event: Event) -> Train | StopSampling | None:
        worker = worker_of(event, self.state) if self.queues else None
        return self._begin(worker.number, queued=True) if worker and has_room(worker, self.state, self.limits) else None

    def _resume(self, event: Event, promotion: Promotion) -> Train | None:
        """Let a paused trial go on: where it is, if it was paused this very moment, else anywhere once it is let go."""
        trial = self.state.trials[promotion.trial]
        holder = trial.holder
        just_paused = isinstance(event, TrialReported) and event.trial == trial.number
        if just_paused and holder is not None and holder in self.state.idle:
            return self._continue(trial, holder, promotion.to_epoch, promotion.reason, in_memory=True)
        if holder is None:
            worker = placing.warmest(trial, self.state)
            return self._continue(trial, worker, promotion.to_epoch, promotion.reason, in_memory=False)
        return None

    def _begin(self, worker: int, *, queued: bool) -> Train | StopSampling | None:
        """The next new trial, if there is to be one and its configuration is there."""
        if self._nothing_left_to_begin():
            return None
        draw = self.state.drawn
        try:
            configuration = proposing.configuration(draw, self.state, self.sampler, self.start)
        except Exhausted as exhausted:
            return StopSampling(reason=str(exhausted))
        if configuration is None:
            return None
        assignment = self._assignment(configuration, self.stopper.horizon(len(self.state.trials), 0))
        reason = "a configuration to start from" if draw < len(self.start) else "a new configuration"
        return Train(worker=worker, assignment=assignment, reason=reason, queued=queued)

    def _assignment(self, configuration: Configuration, to_epoch: int, repeat_of: int | None = None) -> Assignment:
        keep_above = self.retention.safe_score(self.state)
        return proposing.assignment(
            self.state, self.seed, configuration, to_epoch, self.max_epochs, keep_above, repeat_of
        )

    def _continue(self, trial: Trial, worker: int, to_epoch: int, reason: str, *, in_memory: bool) -> Train:
        """Go on from the worker's memory, or else from the trial's checkpoint, or else from the start."""
        start: Checkpoint | None = None if in_memory else trial.checkpoint
        after_epoch = trial.epoch if in_memory else start.epoch if start else 0
        assignment = msgspec.structs.replace(
            trial.assignment,
            attempt=trial.attempt + (after_epoch < trial.epoch),
            after_epoch=after_epoch,
            to_epoch=to_epoch,
            max_epochs=self.max_epochs,
            start=start,
            keep_above=self.retention.safe_score(self.state),
        )
        return Train(worker=worker, assignment=assignment, reason=reason)

    # The end of a run.

    def _end_early(self, ending: EndRun) -> Instruction | None:
        """What is live stays so, but no worker keeps it: the run can be resumed."""
        state = self.state
        for number in state.by_status[Status.RUNNING]:  # Those that are queued begin to run when it is their turn.
            return self._suspend(state.trials[number], f"{ending.reason} (was {Status.RUNNING})")
        for number in (*state.ready_for_fresh, *state.ready) if ending.outcome == "failed" else ():
            if (trial := state.trials[number]).is_failing:
                return GiveUp(trial=number, attempt=trial.attempt, reason=cause(trial))
        return self._finish(ending.outcome, ending.reason)

    def _wind_up(self, event: Event) -> Instruction | None:
        """Nothing is left to begin: the last promotions, then the end."""
        state = self.state
        if state.count(Status.RUNNING) or state.count(Status.WAITING) or not self._nothing_left_to_begin():
            return None
        if next(self.stopper.promotable(), None) is not None:
            return None  # Its worker has not let go of it yet, or there is no worker.
        if state.idle and not state.count(Status.COMPLETED):
            for finalist in placing.finalists(self.stopper, state, self.max_epochs):
                return self._resume(event, finalist)
        if self.closing.is_left(state):
            return None
        if (best := placing.best_without_weights(state)) is not None:
            if not state.idle:
                return None
            return self._continue(best, state.idle[0], best.assignment.to_epoch, WEIGHTS_LOST, in_memory=False)
        if state.count(Status.COMPLETED) or not state.count(Status.PAUSED):
            for number in state.by_status[Status.PAUSED]:
                return self._stop(state.trials[number], self.stopper.standing(number))
            if not state.trials:
                return self._finish("failed", state.sampling_stopped or "there was nothing to train")
            return self._finish("done", state.sampling_stopped or f"all {len(state.trials)} trials ended")
        return None

    def _nothing_left_to_begin(self) -> bool:
        return self.state.sampling_stopped is not None or not self.limits.allow(self.state.drawn)

    def _release(self) -> Dismiss | WakeAt | None:
        """Workers that nothing is left for, or a look at them in time."""
        if not self._nothing_left_to_begin():
            return None
        release = self.closing.release(self.state, self.stopper)
        return release if isinstance(release, Dismiss) else self._wake(release)

    def _stop(self, trial: Trial, reason: str) -> Stop:
        return Stop(worker=trial.holder, trial=trial.number, attempt=trial.attempt, reason=reason)

    def _finish(self, outcome: Outcome, reason: str) -> Instruction | None:
        """Once every worker has let go of its trials, or is given up."""
        state = self.state
        give_up_at = state.last_stop + RELEASE_SECONDS
        if state.held and state.now < give_up_at:
            return self._wake(give_up_at)
        return closing.finish(state, outcome, reason)
