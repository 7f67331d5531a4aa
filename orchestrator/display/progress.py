"""How far a run is, how busy its workers are, and how long it will still take.

Everything but the clock follows from the state; nothing here looks at more trials than are running.

- Busy share: of the workers' seconds, those in which they had a trial in their queue. The first worker to join gets one
  at once, so nothing from before the first assignment counts.
- Epochs to begin: for each trial that is not begun the mean number of epochs that went into those begun before and not
  running (any more, or at the moment).
- Time left: these epochs at the mean rate since the first assignment, then as long as the trial that is farthest from
  max epochs could still take; and never more than the time limit leaves. None until there is something to go by: a
  quarter of the trials, and 5 of them.
"""

import time
from collections.abc import Callable, Sequence

from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.settings import Settings

Clock = Callable[[], float]

LEAST_TRIALS = 5
LEAST_SHARE = 0.25


class Progress:
    def __init__(self, state: State, settings: Settings, clock: Clock = time.monotonic) -> None:
        self.state = state
        self.settings = settings
        self._clock = clock
        self._heard = clock()
        """When the last records came, which were true at `state.now`."""
        self._began: float | None = None
        self._workers = 0
        self._busy = 0
        self._last = 0.0
        self._worker_seconds = 0.0
        self._busy_seconds = 0.0

    def take(self, records: Sequence[Record]) -> None:
        """To be called after each batch of records, which have been applied to the state."""
        if not records:
            return
        now = self.state.now
        self._worker_seconds += (now - self._last) * self._workers
        self._busy_seconds += (now - self._last) * self._busy
        self._last = now
        self._heard = self._clock()
        if self._began is None and self.state.trials:
            self._began = now
        self._workers = len(self.state.workers)
        self._busy = self._workers - len(self.state.idle)

    @property
    def now(self) -> float:
        """The time of the run's clock, which the state only knows as of the last event."""
        if self.state.finished is not None:
            return self.state.now
        return self.state.now + self._clock() - self._heard

    @property
    def busy_share(self) -> float | None:
        """From 0 to 1; None before there is a worker."""
        since = self.now - self._last
        worker_seconds = self._worker_seconds + since * self._workers
        return (self._busy_seconds + since * self._busy) / worker_seconds if worker_seconds > 0 else None

    @property
    def settled(self) -> int:
        """Trials that have begun and are neither running nor about to."""
        return len(self.state.trials) - self.state.count(Status.RUNNING) - self.state.count(Status.WAITING)

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None while there is too little to go by."""
        limit = self.settings.max_time
        time_left = None if limit is None else max(limit - self.now, 0.0)
        if self.settings.trials is None:
            return time_left
        work_left = self._work_left(self.settings.trials)
        return work_left if work_left is None or time_left is None else min(work_left, time_left)

    def _work_left(self, trials: int) -> float | None:
        state = self.state
        elapsed = self.now - self._began if self._began is not None else 0.0
        if self.settled < max(LEAST_TRIALS, LEAST_SHARE * trials) or not state.epochs_trained or elapsed <= 0:
            return None
        current = [
            state.trials[n].epoch for status in (Status.RUNNING, Status.WAITING) for n in state.by_status[status]
        ]
        mean_epochs = (state.epochs_trained - sum(current)) / self.settled
        to_begin = 0 if state.sampling_stopped is not None else trials - len(state.trials)
        seconds_per_epoch = self._busy_seconds / state.epochs_trained
        longest = max((self.settings.epochs - epoch for epoch in current), default=0)
        seconds: float = to_begin * mean_epochs * elapsed / state.epochs_trained + longest * seconds_per_epoch
        return seconds
