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

from collections.abc import Iterable, Sequence
from math import isfinite

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.draws import training_seed
from orchestrator.objective import Objective
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import (
    Event,
    TrialEvent,
    TrialReported,
)
from orchestrator.scheduler.instructions import (
    Adapt,
    Discard,
    EndRun,
    Finish,
    GiveUp,
    Instruction,
    Outcome,
    Pause,
    Propose,
    Record,
    Stop,
    StopSampling,
    Train,
    WakeAt,
)
from orchestrator.scheduler.limits import Limits, hopeless
from orchestrator.scheduler.state import State, Worker
from orchestrator.scheduler.telling import tell
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.stoppers import Promotion, Stopper

QUEUE_SECONDS = 0.1
"""About as much work is queued at a worker as keeps it busy this long: none behind trials that take longer."""
LONGEST_QUEUE = 16
MOST_LOSSES = 3
"""A trial whose worker is lost this often, with no checkpoint in between, has failed."""
RELEASE_SECONDS = 20.0
"""How long the end of a run waits for workers to let go of their trials."""
AHEAD = 1
"""A slow sampler is asked for so many configurations more than there are idle workers."""


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
    ) -> None:
        self.state = State(objective)
        self.sampler = sampler
        self.stopper = stopper
        self.limits = limits
        self.max_epochs = max_epochs
        self.seed = seed
        self.start = start
        """Configurations that are tried first."""

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
        """Tell the state, then the stopper and the sampler. False when the record was ignored."""
        if not self.state.apply(record):
            return False
        tell(record, self.state, self.stopper, self.sampler)
        if isinstance(record, Train | StopSampling) and self._nothing_left_to_begin():
            self.stopper.closed()
        return True

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
        if (wake := self._wake(self.limits.next_moment(state))) is not None:
            return wake
        if (adapt := self._adapt()) is not None:
            return adapt
        if (verdict := self._judge(event) or self._give_up()) is not None:
            return verdict
        return self._fill_idle(event) or self._fill_queue(event) or self._propose() or self._wind_up(event)

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

    def _discard(self) -> Discard | None:
        """What a newer one replaces, and of the ended trials' checkpoints all but the best one's."""
        state = self.state
        for checkpoint in state.superseded.values():
            return Discard(checkpoint=checkpoint)
        best = state.best_saved
        for number in state.ended_saved:
            trial = state.trials[number]
            if trial is not best and trial.checkpoint is not None:
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
        return self._continue(
            trial, trial.holder, self.stopper.horizon(trial.number, trial.epoch), verdict.reason, in_memory=True
        )

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
        """The next new trial, if there is to be one and its configuration is there."""
        if self._nothing_left_to_begin():
            return None
        number = len(self.state.trials)
        try:
            configuration = self._configuration(number)
        except Exhausted as exhausted:
            return StopSampling(reason=str(exhausted))
        if configuration is None:
            return None
        assignment = Assignment(
            trial=number,
            attempt=1,
            configuration=configuration,
            seed=training_seed(self.seed, number),
            after_epoch=0,
            to_epoch=self.stopper.horizon(number, 0),
            max_epochs=self.max_epochs,
            keep_above=self.state.safe_score,
        )
        reason = "a configuration to start from" if number < len(self.start) else "a new configuration"
        return Train(worker=worker, assignment=assignment, reason=reason, queued=queued)

    def _configuration(self, number: int) -> Configuration | None:
        """None while a slow sampler thinks."""
        state = self.state
        if number < len(self.start):
            return self.start[number]
        if not self.sampler.slow:
            return self.sampler.configuration(number)
        if number not in state.proposals and state.sampler_exhausted is not None:
            raise Exhausted(state.sampler_exhausted)
        return state.proposals.get(number)

    def _propose(self) -> Propose | None:
        """Ask a slow sampler for every idle worker, and ahead of need."""
        state = self.state
        if not self.sampler.slow or state.sampler_exhausted is not None or self._nothing_left_to_begin():
            return None
        if len(state.trials) < len(self.start):
            return None  # What it knows begins with those.
        on_the_way = len(state.proposing) + len(state.proposals)
        number = len(state.trials) + on_the_way
        if on_the_way >= len(state.idle) + AHEAD or not self.limits.allow(number):
            return None
        return Propose(number=number)

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
        state = self.state
        if state.stop_requested is not None:
            return "interrupted", state.stop_requested
        if (failure := hopeless(state)) is not None:
            return "failed", failure
        if (reached := self.limits.reached(state)) is not None:
            return "done", reached
        return None

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
        return self.state.sampling_stopped is not None or not self.limits.allow(len(self.state.trials))

    def _stop(self, trial: Trial, reason: str) -> Stop:
        return Stop(worker=trial.holder, trial=trial.number, attempt=trial.attempt, reason=reason)

    def _finish(self, outcome: Outcome, reason: str) -> Instruction | None:
        """Once every worker has let go of its trials, or is given up."""
        state = self.state
        give_up_at = state.last_stop + RELEASE_SECONDS
        if state.held and state.now < give_up_at:
            return self._wake(give_up_at)
        if outcome == "done" and state.best is None:
            counts = f"{state.count(Status.FAILED)} failed, {state.count(Status.DIVERGED)} diverged"
            first = f"; trial 0: {state.trials[0].reason}" if state.trials else ""
            return Finish(outcome="failed", reason=f"{reason}, and no trial has a score ({counts}){first}")
        return Finish(outcome=outcome, reason=reason)
