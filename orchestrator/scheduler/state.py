"""The state of a run: the fold of its journal, `(state, record) -> state`.

Records are the facts and decisions of `events.py` and `instructions.py`, in the order of the journal. Nothing here
judges or chooses: a state is the same whether its records are happening now or are read back years later.
`validation.py` re-derives every index from the trials.
"""

from collections import deque
from functools import singledispatchmethod
from math import inf

from sortedcontainers import SortedList, SortedSet

from orchestrator.assignment import Checkpoint, Configuration
from orchestrator.objective import Objective
from orchestrator.scheduler.events import (
    CheckpointSaved,
    ConfigurationProposed,
    Event,
    RunStarted,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    TrialCompleted,
    TrialDiverged,
    TrialEvent,
    TrialFailed,
    TrialReleased,
    TrialReported,
    WorkerJoined,
    WorkerLost,
)
from orchestrator.scheduler.instructions import (
    Adapt,
    Discard,
    EndRun,
    Finish,
    GiveUp,
    Pause,
    Propose,
    Record,
    Stop,
    StopSampling,
    Train,
    WakeAt,
)
from orchestrator.scheduler.legality import IllegalRecord, check, is_current
from orchestrator.scheduler.trial import TRANSITIONS, Report, Status, Trial


class Worker:
    """What is known of one worker. `queue` holds its trials in order, the first of which it is training."""

    __slots__ = ("node", "number", "queue", "since")

    def __init__(self, number: int, node: str) -> None:
        self.number = number
        self.node = node
        self.queue: deque[int] = deque()
        self.since = 0.0
        """When the first of the queue began."""


class State:
    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.now = 0.0
        self.trials: list[Trial] = []
        self.workers: dict[int, Worker] = {}
        self.idle: SortedSet[int] = SortedSet()
        self.by_status: dict[Status, SortedSet[int]] = {status: SortedSet() for status in Status}
        self.held: set[int] = set()
        """Trials in some worker's memory."""
        self.lost: SortedSet[int] = SortedSet()
        """Waiting trials that no worker has: theirs was lost."""
        self.ranking: SortedList[tuple[float, int]] = SortedList()
        """(-score, number) of every trial that has a score."""
        self.superseded: dict[str, Checkpoint] = {}
        """Committed checkpoints that their trials have a newer one for."""
        self.ended_saved: SortedSet[int] = SortedSet()
        """Ended trials that have a checkpoint."""
        self.wake_at: float | None = None
        self.stop_requested: str | None = None
        self.proposing: set[int] = set()
        """Numbers of trials whose configurations a slow sampler was asked for and has not given."""
        self.proposals: dict[int, Configuration] = {}
        """Those it has given, until the trial begins."""
        self.sampler_exhausted: str | None = None
        self.adaptations: list[Adapt] = []
        self.sampling_stopped: str | None = None
        self.ending: EndRun | None = None
        self.finished: Finish | None = None
        self.epochs_trained = 0
        self.words_ignored = 0
        self.bad_study: str | None = None
        self.last_stop = 0.0
        """When a trial that a worker held was last stopped."""
        self.most_workers = 0
        self.worker_seconds = 0.0
        """How long workers were there, in sum, until the last one came or went, which was at `staffed_since`."""
        self.staffed_since = 0.0
        self.losses_in_a_row = 0
        self.last_loss = ""
        self.turnarounds = 0
        self.turnaround_seconds = 0.0
        """How long workers were at trials that completed, in sum."""

    # What is known.

    @property
    def best(self) -> Trial | None:
        """The first row of the leaderboard; the lower number wins ties."""
        return self.trials[self.ranking[0][1]] if self.ranking else None

    @property
    def safe_score(self) -> float | None:
        """The best score whose weights stay."""
        best = self.best_saved
        return None if best is None else best.safe_score

    @property
    def best_saved(self) -> Trial | None:
        """Of the ended trials that have a checkpoint, the one with the best score in it; the lower number wins ties."""
        best, highest = None, -inf
        for number in self.ended_saved:
            trial = self.trials[number]
            if trial.safe_score is not None and trial.safe_score > highest and trial.score is not None:
                best, highest = trial, trial.safe_score
        return best

    def count(self, status: Status) -> int:
        return len(self.by_status[status])

    # The fold.

    def apply(self, record: Record) -> bool:
        """Take in one fact or decision. False when it was ignored.

        Raises:
            IllegalRecord: The record cannot follow this state, which is left as it was.
        """
        if self.finished is not None:
            raise IllegalRecord(f"{record} after the run was finished")
        if isinstance(record, TrialEvent) and not is_current(self, record):
            self.now = record.at
            self.words_ignored += 1
            return False
        check(self, record)
        if isinstance(record, Event):
            self.now = record.at
        _taker(type(record))(self, record)
        return True

    @singledispatchmethod
    def _take(self, record: Record) -> None:
        raise IllegalRecord(f"{record}: not a record of a run")

    @_take.register(RunStarted)
    @_take.register(TimeReached)
    def _(self, record: Event) -> None:
        if self.wake_at is not None and record.at >= self.wake_at:
            self.wake_at = None

    @_take.register
    def _(self, record: StopRequested) -> None:
        self.stop_requested = record.reason

    @_take.register
    def _(self, record: ConfigurationProposed) -> None:
        self.proposing.discard(record.number)
        self.proposals[record.number] = record.configuration

    @_take.register
    def _(self, record: SamplerExhausted) -> None:
        self.proposing.discard(record.number)
        self.sampler_exhausted = record.reason

    @_take.register
    def _(self, record: WorkerJoined) -> None:
        self._count_worker_seconds()
        self.workers[record.worker] = Worker(record.worker, record.node)
        self.idle.add(record.worker)
        self.most_workers = max(self.most_workers, len(self.workers))

    @_take.register
    def _(self, record: WorkerLost) -> None:
        self.losses_in_a_row += 1
        self.last_loss = record.reason
        self._count_worker_seconds()
        self.workers.pop(record.worker, None)
        self.idle.discard(record.worker)
        for number in sorted(n for n in self.held if self.trials[n].holder == record.worker):
            self._lose(self.trials[number], record)

    def _lose(self, trial: Trial, record: WorkerLost) -> None:
        trial.attempt += 1
        self._let_go(trial)
        self._withdraw_unsaved(trial)
        if trial.status is Status.RUNNING:
            trial.losses += 1
        self._move(trial, TRANSITIONS[trial.status, WorkerLost])
        if trial.status is Status.WAITING:
            self.lost.add(trial.number)
            trial.reason = f"its worker was lost: {record.reason}"

    @_take.register
    def _(self, record: Train) -> None:
        assignment = record.assignment
        if assignment.trial == len(self.trials):
            self.trials.append(Trial(assignment, record.reason))
            self.proposals.pop(assignment.trial, None)
            self.by_status[Status.WAITING].add(assignment.trial)
        trial = self.trials[assignment.trial]
        trial.assignment, trial.attempt, trial.reason = assignment, assignment.attempt, record.reason
        trial.worker = trial.holder = record.worker
        if assignment.after_epoch < trial.epoch:
            self._rescore(trial, cut_after=assignment.after_epoch)
        self.held.add(trial.number)
        self.lost.discard(trial.number)
        worker = self.workers[record.worker]
        if trial.number not in worker.queue:
            worker.since = worker.since if worker.queue else self.now
            worker.queue.append(trial.number)
        self.idle.discard(worker.number)
        if not record.queued:
            self._move(trial, TRANSITIONS[trial.status, Train])

    @_take.register
    def _(self, record: TrialReported) -> None:
        trial = self.trials[record.trial]
        score = self.objective.score(record.metrics)
        self.losses_in_a_row = 0
        self.epochs_trained += 1
        self._rescore(trial, Report(record.epoch, record.metrics, record.seconds, score))

    @_take.register
    def _(self, record: CheckpointSaved) -> None:
        trial, checkpoint = self.trials[record.trial], record.checkpoint
        if trial.checkpoint is not None and trial.checkpoint.name != checkpoint.name:
            self.superseded[trial.checkpoint.name] = trial.checkpoint
        trial.checkpoint = checkpoint
        trial.losses = 0
        trial.safe_score = next((r.score for r in trial.curve if r.epoch == checkpoint.best_epoch), None)
        if trial.status.ended:
            self.ended_saved.add(trial.number)

    @_take.register
    def _(self, record: TrialCompleted) -> None:
        self._release(record, Status.COMPLETED, record.reason)

    @_take.register
    def _(self, record: TrialDiverged) -> None:
        self._release(record, Status.DIVERGED, record.reason)

    @_take.register
    def _(self, record: TrialFailed) -> None:
        trial = self.trials[record.trial]
        trial.failure = record
        if record.bad_study and trial.status is not Status.STOPPED:
            self.bad_study = record.message
        self._release(record, Status.FAILED, f"{record.error}: {record.message}")

    @_take.register
    def _(self, record: TrialReleased) -> None:
        self._let_go(self.trials[record.trial])

    @_take.register
    def _(self, record: Pause) -> None:
        trial = self.trials[record.trial]
        self._leave_queue(trial)
        self._move(trial, Status.PAUSED)
        trial.reason = record.reason

    @_take.register
    def _(self, record: Stop) -> None:
        trial = self.trials[record.trial]
        if trial.holder is not None:
            self.last_stop = self.now
        self._leave_queue(trial)
        self.lost.discard(trial.number)
        self._end(trial, Status.STOPPED, record.reason)

    @_take.register
    def _(self, record: GiveUp) -> None:
        trial = self.trials[record.trial]
        self.lost.discard(trial.number)
        self._end(trial, Status.FAILED, record.reason)

    @_take.register
    def _(self, record: Propose) -> None:
        self.proposing.add(record.number)

    @_take.register
    def _(self, record: Adapt) -> None:
        self.adaptations.append(record)

    @_take.register
    def _(self, record: StopSampling) -> None:
        self.sampling_stopped = record.reason

    @_take.register
    def _(self, record: Discard) -> None:
        checkpoint = record.checkpoint
        if self.superseded.pop(checkpoint.name, None) is None:
            trial = self.trials[checkpoint.trial]
            trial.checkpoint = trial.safe_score = None
            self.ended_saved.discard(trial.number)

    @_take.register
    def _(self, record: WakeAt) -> None:
        self.wake_at = record.time

    @_take.register
    def _(self, record: EndRun) -> None:
        self.ending = record

    @_take.register
    def _(self, record: Finish) -> None:
        self.finished = record

    # Steps of it.

    def _count_worker_seconds(self) -> None:
        self.worker_seconds += len(self.workers) * (self.now - self.staffed_since)
        self.staffed_since = self.now

    def _move(self, trial: Trial, status: Status) -> None:
        self.by_status[trial.status].discard(trial.number)
        self.by_status[status].add(trial.number)
        trial.status = status

    def _end(self, trial: Trial, status: Status, reason: str) -> None:
        if status in (Status.DIVERGED, Status.FAILED):
            self._unrank(trial)
        self._move(trial, status)
        trial.reason = reason
        if trial.checkpoint is not None:
            self.ended_saved.add(trial.number)

    def _release(self, record: TrialEvent, status: Status, reason: str) -> None:
        """The worker is through with a trial; one that was stopped meanwhile stays so."""
        trial = self.trials[record.trial]
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        if worker is not None and status is Status.COMPLETED and trial.status is Status.RUNNING:
            self.turnarounds += 1
            self.turnaround_seconds += self.now - worker.since
        self._let_go(trial)
        if TRANSITIONS[trial.status, type(record)] is status:
            self._end(trial, status, reason)
        elif status is not Status.COMPLETED:
            self._withdraw_unsaved(trial)

    def _let_go(self, trial: Trial) -> None:
        self._leave_queue(trial)
        self.held.discard(trial.number)
        trial.holder = None

    def _leave_queue(self, trial: Trial) -> None:
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        if worker is None or trial.number not in worker.queue:
            return
        worker.queue.remove(trial.number)
        worker.since = self.now
        if not worker.queue:
            self.idle.add(worker.number)
        elif self.trials[worker.queue[0]].status is Status.WAITING:
            self._move(self.trials[worker.queue[0]], Status.RUNNING)

    def _rescore(self, trial: Trial, report: Report | None = None, cut_after: int | None = None) -> None:
        before = trial.score
        if cut_after is not None:
            trial.cut(cut_after)
        if report is not None:
            trial.add(report)
        if trial.score != before:
            if before is not None:
                self.ranking.discard((-before, trial.number))
            if trial.score is not None:
                self.ranking.add((-trial.score, trial.number))

    def _withdraw_unsaved(self, trial: Trial) -> None:
        """What was learned since the last checkpoint is lost, and a best epoch among it."""
        self._rescore(trial, cut_after=trial.checkpoint.epoch if trial.checkpoint else 0)

    def _unrank(self, trial: Trial) -> None:
        if trial.score is not None:
            self.ranking.discard((-trial.score, trial.number))


_taker = State.__dict__["_take"].dispatcher.dispatch
"""What `self._take` looks up, without what it builds anew at every call: a third of the cost of a record."""
