"""What is known of a run: its trials, its workers, and indexes of them, with the steps that keep these true.

`State` is this and how each record changes it; `validation.py` re-derives every index from the trials.
"""

from math import inf

from sortedcontainers import SortedSet

from orchestrator.assignment import Checkpoint, Configuration
from orchestrator.objective import Objective
from orchestrator.ranking import Ranking
from orchestrator.scheduler.events import RunResumed, TrialCompleted, TrialEvent, TrialFailed, WorkerLost
from orchestrator.scheduler.instructions import Adapt, EndRun, Finish
from orchestrator.scheduler.timesheet import Timesheet
from orchestrator.scheduler.trial import TRANSITIONS, Status, Trial
from orchestrator.scheduler.worker import Widening, Worker

RECENT_TRIALS = 64


class Knowledge:
    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.now = 0.0
        self.trials: list[Trial] = []
        self.workers: dict[int, Worker] = {}
        self.idle: SortedSet[int] = SortedSet()
        """Workers that have nothing to do and are not leaving."""
        self.leaving: SortedSet[int] = SortedSet()
        """Workers that are to be dismissed, and have not been yet."""
        self.draining: dict[str, str] = {}
        """Nodes that are about to be taken away, and why."""
        self.widening: Widening | None = None
        self._begin_indexes()
        self.checkpoint_bytes = 0
        """Of all committed checkpoints that were not discarded."""
        self.wake_at: float | None = None
        self.stop_requested: str | None = None
        self.proposing: set[int] = set()
        """Numbers of trials whose configurations a slow sampler was asked for and has not given."""
        self.proposals: dict[int, Configuration] = {}
        """Those it has given, until the trial begins."""
        self.sampler_exhausted: str | None = None
        self.adaptations: list[Adapt] = []
        self.resumptions: list[RunResumed] = []
        self.resumed_at = 0
        """How many trials had begun when the run was last resumed."""
        self.failures_before = 0
        """How many had failed by then."""
        self.sampling_stopped: str | None = None
        self.ending: EndRun | None = None
        self.finished: Finish | None = None
        self.epochs_trained = 0
        self.longest_epoch = 0.0  # In seconds.
        self.words_ignored = 0
        self.bad_study: str | None = None
        self.traced: int | None = None
        """The failed trial whose traceback is kept."""
        self.last_stop = 0.0
        """When a trial that a worker held was last stopped."""
        self.most_workers = 0
        self.worker_seconds = 0.0
        """How long workers were there, in sum, until the last one came or went, which was at `staffed_since`."""
        self.staffed_since = 0.0
        self.timesheet = Timesheet()
        self.losses_in_a_row = 0
        self.last_loss = ""
        self.timed_trials = 0
        self.trial_seconds: float | None = None
        """How long workers were at trials that completed: the mean of about the last `RECENT_TRIALS`."""

    def _begin_indexes(self) -> None:
        """Of trials and checkpoints."""
        self.repeats: dict[int, int] = {}
        """How often each trial is repeated, of those that are."""
        self.by_status: dict[Status, SortedSet[int]] = {status: SortedSet() for status in Status}
        self.held: set[int] = set()
        """Trials in some worker's memory."""
        self.ready: SortedSet[int] = SortedSet()
        """Waiting trials that no worker has: they go on before any other begins."""
        self.ready_for_fresh: SortedSet[int] = SortedSet()
        """The same of those that need a fresh worker."""
        self.to_stop: dict[int, str] = {}
        """Live trials that somebody wants to end, and why; the first who asked."""
        self.came_to_wait: list[int] = []
        """Trials that have become ready since the last event came, and so could be given up."""
        self.heard: dict[int, float] = {}
        """When each running trial was last heard of, the longest silent first."""
        self.parting: dict[int, float] = {}
        """Since when workers have been asked to let go of trials that they still hold, the longest first."""
        self.ranking = Ranking()
        """Every trial that has a score."""
        self.superseded: dict[str, Checkpoint] = {}
        """Committed checkpoints that nothing needs any more."""
        self.ended_saved: SortedSet[int] = SortedSet()
        """Ended trials that have a checkpoint."""
        self.saved = Ranking()
        """Those of them that have a score in it, by that."""
        self.spare = Ranking()
        """Paused trials that have a checkpoint, and that no worker has; without a score they come last."""

    @property
    def drawn(self) -> int:
        """How many trials the sampler drew."""
        return len(self.trials) - sum(self.repeats.values())

    @property
    def best(self) -> Trial | None:
        """The first row of the leaderboard; the lower number wins ties."""
        return self.trials[self.ranking[0][1]] if self.ranking else None

    def best_saved(self, most: int) -> list[Trial]:
        """Of the ended trials that have a checkpoint, those with the best scores in it; the lower number wins ties."""
        return [self.trials[number] for _, number in self.saved[:most]]

    def count(self, status: Status) -> int:
        return len(self.by_status[status])

    def reopens(self, trial: Trial, max_epochs: int) -> bool:
        """Whether a completed trial goes on when the run is extended: unless training ended by itself."""
        checkpoint, reached = trial.checkpoint, trial.assignment.max_epochs
        return trial.status is Status.COMPLETED and checkpoint is not None and checkpoint.epoch == reached < max_epochs

    # Workers.

    @property
    def slices(self) -> int:
        """Of all workers together."""
        return sum(worker.slices for worker in self.workers.values())

    def _note_seconds(self, record: TrialCompleted, worker: Worker) -> None:
        """As its worker tells it: what the driver sees is longer by a journey, which queueing is there to save.

        A worker's first trial may take much longer than all that follow: it only counts while there is no other.
        """
        seconds = record.seconds or self.now - worker.since
        if worker.is_through_with_one:
            self.timed_trials += 1
            mean = self.trial_seconds or 0.0
            self.trial_seconds = mean + (seconds - mean) / min(self.timed_trials, RECENT_TRIALS)
        elif not self.timed_trials:
            self.trial_seconds = seconds
        worker.is_through_with_one = True

    def _count_worker_seconds(self) -> None:
        self.worker_seconds += self.slices * (self.now - self.staffed_since)
        self.staffed_since = self.now

    def _leave(self, worker: Worker, reason: str) -> None:
        worker.leaving = worker.leaving or reason
        self.leaving.add(worker.number)
        self.idle.discard(worker.number)

    def _take_away(self, worker: Worker) -> None:
        """Once it holds nothing."""
        del self.workers[worker.number]
        self.idle.discard(worker.number)
        self.leaving.discard(worker.number)

    # Trials.

    def _move(self, trial: Trial, status: Status) -> None:
        self.by_status[trial.status].discard(trial.number)
        self.by_status[status].add(trial.number)
        trial.status = status
        if status is Status.RUNNING:
            self._hear(trial)
        else:
            self.heard.pop(trial.number, None)
        if trial.checkpoint is not None:
            self._rank_saved(trial)

    def _hear(self, trial: Trial) -> None:
        self.heard.pop(trial.number, None)
        self.heard[trial.number] = self.now

    def _ask_back(self, trial: Trial) -> None:
        """The worker is to let go of it."""
        if trial.holder is not None:
            self.parting.pop(trial.number, None)
            self.parting[trial.number] = self.now

    def _wait(self, trial: Trial) -> None:
        """A trial that no worker has any more goes on later, unless it has ended or is paused."""
        if trial.status in (Status.RUNNING, Status.WAITING):
            self._move(trial, Status.WAITING)
            (self.ready_for_fresh if trial.needs_fresh_worker else self.ready).add(trial.number)
            self.came_to_wait.append(trial.number)

    def _take_up(self, trial: Trial) -> None:
        """It waits no more."""
        self.ready.discard(trial.number)
        self.ready_for_fresh.discard(trial.number)

    def _end(self, trial: Trial, status: Status, reason: str) -> None:
        self._take_up(trial)
        self._move(trial, status)
        self.to_stop.pop(trial.number, None)
        trial.reason = reason
        if status in (Status.DIVERGED, Status.FAILED):
            self._rescore(trial)
        if trial.previous is not None:
            self._supersede(trial.previous)
            trial.previous = None

    def _settle(self, trial: Trial) -> None:
        """Once it has ended and no worker has it, it takes no more memory than its row on the leaderboard needs.

        Of failures the one with the lowest number is told with its traceback; the journal has them all.
        """
        if trial.holder is not None or not trial.status.ended:
            return
        trial.settle()
        if trial.status is Status.FAILED and trial.failure is not None:
            first = self.trials[self.by_status[Status.FAILED][0]]
            if first.number < trial.number:
                trial.forget_traceback()
            elif self.traced not in (None, trial.number):
                self.trials[self.traced].forget_traceback()
            self.traced = first.number

    def _give_up_attempt(self, trial: Trial) -> None:
        """What a worker knew of a trial is gone, and so is what was learned since the last checkpoint.

        A paused trial keeps what it was judged by: that is trained again only if it is to go on.
        """
        trial.attempt += 1
        self._let_go(trial)
        if trial.status is Status.PAUSED:
            trial.weights_lost = trial.epoch > (trial.checkpoint.epoch if trial.checkpoint else 0)
        else:
            self._withdraw_unsaved(trial)
        self._settle(trial)

    def _let_go(self, trial: Trial) -> None:
        self._leave_queue(trial)
        self.held.discard(trial.number)
        if trial.holder is not None and trial.holder in self.workers:
            self.workers[trial.holder].holds.discard(trial.number)
        trial.holder = None
        trial.suspended = False
        self.parting.pop(trial.number, None)
        if trial.checkpoint is not None:
            self._rank_saved(trial)

    def _leave_queue(self, trial: Trial) -> None:
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        if worker is None or trial.number not in worker.queue:
            return
        worker.queue.remove(trial.number)
        worker.since = self.now
        if worker.queue:
            first = self.trials[worker.queue[0]]
            if first.status is Status.WAITING:
                self._move(first, Status.RUNNING)
        elif worker.leaving is None:
            self.idle.add(worker.number)
            worker.idle_since = self.now

    def _release(self, record: TrialEvent, status: Status, reason: str) -> None:
        """The worker is through with a trial; one that was stopped meanwhile stays so."""
        trial = self.trials[record.trial]
        worker = self.workers.get(trial.holder) if trial.holder is not None else None
        if worker is not None and isinstance(record, TrialCompleted) and trial.status is Status.RUNNING:
            self._note_seconds(record, worker)
        self._let_go(trial)
        if TRANSITIONS[trial.status, type(record)] is status:
            self._end(trial, status, reason)
        elif status is not Status.COMPLETED:
            self._withdraw_unsaved(trial)
        self._settle(trial)

    def _fail(self, record: TrialFailed) -> None:
        """An attempt is over, and with it the trial where another one would fail alike."""
        trial = self.trials[record.trial]
        last, last_at = trial.failure, trial.failed_at
        trial.failure, trial.failed_at = record, trial.epoch
        if trial.status is Status.STOPPED or record.is_final:
            if record.bad_study and trial.status is not Status.STOPPED:
                self.bad_study = record.message
            self._release(record, Status.FAILED, f"{record.error}: {record.message}")
            return
        if record.kind == "out of memory":
            trial.memory_failures += 1
            trial.exhaustions += 1
            if trial.holder is not None and trial.holder in self.workers:
                self._leave(self.workers[trial.holder], "a trial ran out of memory there")
        else:
            trial.failures += 1
        alike = last is not None and (last.error, last.where) == (record.error, record.where)
        trial.repeats_itself = alike and last_at == trial.failed_at and record.kind == "exception"
        self._give_up_attempt(trial)
        self._wait(trial)
        trial.reason = f"{record.error}: {record.message}"

    def _lose(self, trial: Trial, record: WorkerLost) -> None:
        was_running = trial.status is Status.RUNNING
        self._give_up_attempt(trial)
        if was_running and record.cause == "died":
            trial.losses += 1
        elif was_running and record.cause == "out of memory":
            trial.memory_failures += 1
        self._wait(trial)
        if trial.status is Status.WAITING and record.cause != "dismissed":
            trial.reason = f"its worker was lost: {record.reason}"

    def _reopen(self, max_epochs: int) -> None:
        """Completed trials that are still saved go on."""
        for number in list(self.ended_saved):
            trial = self.trials[number]
            if self.reopens(trial, max_epochs):
                self._move(trial, Status.WAITING)
                self._give_up_attempt(trial)
                self._wait(trial)
                trial.reason = f"extended to {max_epochs} epochs"

    # Scores and checkpoints.

    def _rescore(self, trial: Trial) -> None:
        """Its score may have changed."""
        self.ranking.put(trial.number, trial.score)
        if trial.checkpoint is not None:
            self._rank_saved(trial)

    def _withdraw(self, trial: Trial, after: int) -> None:
        """What was learned after an epoch is lost, and a best epoch among it."""
        trial.cut(after)
        self._rescore(trial)

    def _withdraw_unsaved(self, trial: Trial) -> None:
        self._withdraw(trial, trial.checkpoint.epoch if trial.checkpoint else 0)

    def _rank_saved(self, trial: Trial) -> None:
        """By what it has in its checkpoint, among those whose checkpoints may have to go."""
        is_saved, number, score = trial.checkpoint is not None, trial.number, trial.score
        is_spare = is_saved and trial.status is Status.PAUSED and trial.holder is None
        self.spare.put(number, (-inf if score is None else score) if is_spare else None)
        is_saved &= trial.status.ended
        self.saved.put(number, trial.safe_score if is_saved and score is not None else None)
        if is_saved:
            self.ended_saved.add(number)
        else:
            self.ended_saved.discard(number)

    def _supersede(self, checkpoint: Checkpoint) -> None:
        self.superseded[checkpoint.name] = checkpoint

    def _put_behind(self, trial: Trial, checkpoint: Checkpoint) -> None:
        """The one before a new one stays behind it while the trial is live; what was behind that is not needed."""
        before, older = trial.checkpoint, trial.previous
        if before is not None and before.name == checkpoint.name:
            self.checkpoint_bytes -= before.bytes
        elif before is not None and trial.status.ended:
            self._supersede(before)
        elif before is not None:
            trial.previous = before
            if older is not None:
                self._supersede(older)

    def _keep(self, trial: Trial, checkpoint: Checkpoint | None) -> None:
        """As the trial's last one."""
        trial.checkpoint = checkpoint
        best_epoch = checkpoint.best_epoch if checkpoint is not None else 0
        trial.safe_score = next((report.score for report in trial.curve if report.epoch == best_epoch), None)
        self._rank_saved(trial)
