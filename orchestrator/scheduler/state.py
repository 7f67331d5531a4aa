"""The state of a run: the fold of its journal, `(state, record) -> state`.

Records are the facts and decisions of `events.py` and `instructions.py`, in the order of the journal. Nothing here
judges or chooses: a state is the same whether its records are happening now or are read back years later.
"""

from functools import singledispatchmethod
from typing import get_args

from orchestrator.scheduler.events import (
    AnyEvent,
    CheckpointDamaged,
    CheckpointDelayed,
    CheckpointSaved,
    ConfigurationProposed,
    Event,
    NodeDraining,
    RunResumed,
    RunStarted,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    TrialBuilt,
    TrialCompleted,
    TrialDiverged,
    TrialEvent,
    TrialFailed,
    TrialReleased,
    TrialReported,
    TrialStopRequested,
    WorkerJoined,
    WorkerLost,
    WorkerSpent,
    WorkerWornOut,
)
from orchestrator.scheduler.instructions import (
    Adapt,
    AnyInstruction,
    Discard,
    Dismiss,
    EndRun,
    Finish,
    GiveUp,
    Pause,
    Propose,
    Record,
    Stop,
    StopSampling,
    Suspend,
    Train,
    WakeAt,
)
from orchestrator.scheduler.knowledge import Knowledge
from orchestrator.scheduler.legality import IllegalRecord, check, is_current
from orchestrator.scheduler.trial import TRANSITIONS, Status, Trial
from orchestrator.scheduler.worker import Widening, Worker

KILL_SECONDS = 30.0
"""How long a worker has to let go of a trial that has taken too long, before it is killed."""


class State(Knowledge):
    def apply(self, record: Record) -> bool:
        """Take in one fact or decision. False when it was ignored.

        Raises:
            IllegalRecord: The record cannot follow this state, which is left as it was.
        """
        if self.finished is not None and not isinstance(record, RunResumed):
            raise IllegalRecord(f"{record} after the run was finished")
        if isinstance(record, TrialEvent) and not is_current(self, record):
            self.now = record.at
            self.words_ignored += 1
            return False
        check(self, record)
        if isinstance(record, Event):
            self.now = record.at
            self.came_to_wait.clear()
        TAKERS[type(record)](self, record)
        return True

    @singledispatchmethod
    def _take(self, record: Record) -> None:
        raise IllegalRecord(f"{record}: not a record of a run")

    # The run.

    @_take.register(RunStarted)
    @_take.register(TimeReached)
    def _(self, record: Event) -> None:
        if self.wake_at is not None and record.at >= self.wake_at:
            self.wake_at = None

    @_take.register
    def _(self, record: RunResumed) -> None:
        """Nobody's fault: no loss is counted. What was over goes on."""
        self.resumptions.append(record)
        self.resumed_at, self.failures_before = len(self.trials), self.count(Status.FAILED)
        self.finished = self.ending = self.stop_requested = self.bad_study = self.wake_at = self.widening = None
        self.losses_in_a_row = 0
        self.came_to_wait += self.ready_for_fresh | self.ready
        self.proposing.clear()
        self.draining.clear()
        self._count_worker_seconds()
        for worker in list(self.workers.values()):
            self._take_away(worker)
        for number in sorted(self.held):
            self._give_up_attempt(self.trials[number])
            self._wait(self.trials[number])
        if (epochs := record.settings.get("epochs")) is not None:
            self._reopen(epochs)

    @_take.register
    def _(self, record: StopRequested) -> None:
        self.stop_requested = record.reason

    @_take.register
    def _(self, record: TrialStopRequested) -> None:
        if not self.trials[record.trial].status.ended:
            self.to_stop.setdefault(record.trial, record.reason)

    @_take.register
    def _(self, record: WakeAt) -> None:
        self.wake_at = record.time

    @_take.register
    def _(self, record: EndRun) -> None:
        self.ending = record

    @_take.register
    def _(self, record: Finish) -> None:
        self.finished = record

    # The sampler and the stopper.

    @_take.register
    def _(self, record: Propose) -> None:
        self.proposing.add(record.number)

    @_take.register
    def _(self, record: ConfigurationProposed) -> None:
        self.proposing.discard(record.number)
        self.proposals[record.number] = record.configuration

    @_take.register
    def _(self, record: SamplerExhausted) -> None:
        self.proposing.discard(record.number)
        self.sampler_exhausted = record.reason

    @_take.register
    def _(self, record: StopSampling) -> None:
        self.sampling_stopped = record.reason

    @_take.register
    def _(self, record: Adapt) -> None:
        self.adaptations.append(record)

    # Workers.

    @_take.register
    def _(self, record: WorkerJoined) -> None:
        self._count_worker_seconds()
        worker = Worker(record.worker, record.node, record.at, record.gpus, record.slices)
        self.workers[record.worker] = worker
        if record.slices > 1:
            self.widening = None
        self.most_workers = max(self.most_workers, len(self.workers))
        if record.node in self.draining:
            self._leave(worker, self.draining[record.node])
        else:
            self.idle.add(record.worker)

    @_take.register
    def _(self, record: WorkerLost) -> None:
        if record.cause != "dismissed":
            self.losses_in_a_row += 1
            self.last_loss = record.reason
        if (worker := self.workers.get(record.worker)) is None:
            return
        self._count_worker_seconds()
        self._take_away(worker)
        for number in sorted(worker.holds):
            self._lose(self.trials[number], record)

    @_take.register
    def _(self, record: WorkerWornOut) -> None:
        if (worker := self.workers.get(record.worker)) is not None:
            self._leave(worker, record.reason)

    @_take.register
    def _(self, record: WorkerSpent) -> None:
        self.timesheet.take(record)
        if (worker := self.workers.get(record.worker)) is not None:
            worker.told_at = record.at

    @_take.register
    def _(self, record: NodeDraining) -> None:
        self.draining[record.node] = record.reason
        for worker in self.workers.values():
            if worker.node == record.node:
                self._leave(worker, record.reason)

    @_take.register
    def _(self, record: Dismiss) -> None:
        worker = self.workers[record.worker]
        self._leave(worker, record.reason)
        self.leaving.discard(record.worker)
        if record.slices > 1:
            self.widening = Widening(worker.card, record.slices - worker.slices)
        elif record.slices == 0 and self.widening is not None and worker.card == self.widening.card:
            self.widening.missing -= worker.slices
        for number in sorted(worker.holds):
            self.parting.pop(number, None)
            if number in self.heard:
                self._hear(self.trials[number])  # Its silence is no stall: it was lost with its worker.

    # What trials say.

    @_take.register
    def _(self, record: TrialBuilt) -> None:
        trial = self.trials[record.trial]
        trial.structure = record.structure
        if trial.holder is not None and trial.holder in self.workers:
            self.workers[trial.holder].note_structure(record.structure)

    @_take.register
    def _(self, record: TrialReported) -> None:
        trial = self.trials[record.trial]
        self.losses_in_a_row = 0
        self.epochs_trained += 1
        if record.seconds > self.longest_epoch:
            self.longest_epoch = record.seconds
        if trial.status is Status.RUNNING:
            self._hear(trial)
        best = trial.best
        trial.add(record.epoch, record.metrics, record.seconds, self.objective.score(record.metrics))
        if trial.best is not best:
            self._rescore(trial)

    @_take.register
    def _(self, record: CheckpointSaved) -> None:
        trial, checkpoint = self.trials[record.trial], record.checkpoint
        self.checkpoint_bytes += checkpoint.bytes
        self._put_behind(trial, checkpoint)
        trial.losses = 0
        self._keep(trial, checkpoint)

    @_take.register
    def _(self, record: CheckpointDelayed) -> None:
        """What else its worker has must wait as well."""
        trial = self.trials[record.trial]
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        for number in sorted(worker.holds) if worker is not None else ():
            if number in self.heard:
                self._hear(self.trials[number])
            elif number in self.parting:
                self._ask_back(self.trials[number])

    @_take.register
    def _(self, record: CheckpointDamaged) -> None:
        """The one before it takes its place."""
        trial = self.trials[record.trial]
        if trial.previous is not None and trial.previous.name == record.name:
            self._supersede(trial.previous)
            trial.previous = None
            return
        assert trial.checkpoint is not None
        self._supersede(trial.checkpoint)
        self._keep(trial, trial.previous)
        trial.previous = None
        self._let_go(trial)
        self._settle(trial)
        if not trial.status.ended:
            self._give_up_attempt(trial)
            self._wait(trial)
            trial.reason = f"its checkpoint was damaged: {record.reason}"

    @_take.register
    def _(self, record: TrialCompleted) -> None:
        self._release(record, Status.COMPLETED, record.reason)

    @_take.register
    def _(self, record: TrialDiverged) -> None:
        self._release(record, Status.DIVERGED, record.reason)

    @_take.register
    def _(self, record: TrialFailed) -> None:
        self._fail(record)

    @_take.register
    def _(self, record: TrialReleased) -> None:
        trial = self.trials[record.trial]
        self._let_go(trial)
        self._wait(trial)
        self._settle(trial)

    # What is decided on them.

    @_take.register
    def _(self, record: Train) -> None:
        assignment = record.assignment
        if assignment.trial == len(self.trials):
            self.trials.append(Trial(assignment, record.reason, self.drawn))
            if (repeated := assignment.repeat_of) is not None:
                self.repeats[repeated] = self.repeats.get(repeated, 0) + 1
            else:
                self.proposals.pop(self.drawn - 1, None)
            self.by_status[Status.WAITING].add(assignment.trial)
        trial = self.trials[assignment.trial]
        trial.weights_lost &= assignment.to_epoch == trial.assignment.to_epoch
        trial.assignment, trial.attempt, trial.reason = assignment, assignment.attempt, record.reason
        trial.worker = trial.holder = record.worker
        if assignment.after_epoch < trial.epoch:
            self._withdraw(trial, assignment.after_epoch)
        self.held.add(trial.number)
        self._take_up(trial)
        self.parting.pop(trial.number, None)
        worker = self.workers[record.worker]
        worker.is_fresh = False
        if trial.number not in worker.holds:
            self.timesheet.given_at = self.now
        worker.holds.add(trial.number)
        if trial.number not in worker.queue:
            worker.since = worker.since if worker.queue else self.now
            worker.queue.append(trial.number)
        self.idle.discard(worker.number)
        if not record.queued:
            self._move(trial, TRANSITIONS[trial.status, Train])

    @_take.register
    def _(self, record: Pause) -> None:
        trial = self.trials[record.trial]
        self._leave_queue(trial)
        self._ask_back(trial)
        self._take_up(trial)
        self._move(trial, Status.PAUSED)
        trial.reason, trial.weights_lost = record.reason, False

    @_take.register
    def _(self, record: Suspend) -> None:
        trial, worker = self.trials[record.trial], self.workers[record.worker]
        self.last_stop = self.now
        self._leave_queue(trial)
        self._ask_back(trial)
        self._move(trial, TRANSITIONS[trial.status, Suspend])
        trial.suspended = True
        trial.reason = record.reason
        if record.cause == "stalled":
            trial.stalls += 1
            worker.kill_at = self.now + KILL_SECONDS
        if record.cause != "ending":
            self._leave(worker, record.reason)

    @_take.register
    def _(self, record: Stop) -> None:
        trial = self.trials[record.trial]
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        if worker is not None:
            self.last_stop = self.now
        self._leave_queue(trial)
        self._ask_back(trial)
        self._end(trial, Status.STOPPED, record.reason)
        self._settle(trial)
        if record.timed_out and worker is not None:
            worker.kill_at = self.now + KILL_SECONDS
            self._leave(worker, record.reason)

    @_take.register
    def _(self, record: GiveUp) -> None:
        self._end(self.trials[record.trial], Status.FAILED, record.reason)
        self._settle(self.trials[record.trial])

    @_take.register
    def _(self, record: Discard) -> None:
        self.checkpoint_bytes -= record.checkpoint.bytes
        if self.superseded.pop(record.checkpoint.name, None) is not None:
            return
        trial = self.trials[record.checkpoint.trial]
        if trial.checkpoint == record.checkpoint:
            self._keep(trial, None)
        else:
            trial.previous = None  # In a journal of format 1 or 2, in which none stayed.


TAKERS = {
    kind: State.__dict__["_take"].dispatcher.dispatch(kind) for kind in (*get_args(AnyEvent), *get_args(AnyInstruction))
}
"""What `self._take` looks up, without what it builds anew at every call: a third of the cost of a record."""
