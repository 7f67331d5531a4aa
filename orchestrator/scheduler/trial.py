"""One trial, and the table of its states.

    waiting ──Train──▶ running ──Pause──▶ paused ──Train──▶ running
       ▲                  │                  ├──Stop────▶ stopped
       └─ lost, failed,  ─┼─▶ completed      └──GiveUp──▶ failed
          Suspend         ├─▶ stopped
                          ├─▶ diverged
    waiting ──GiveUp─────▶└─▶ failed

A word of the table is an event or an instruction, by its type; a word that is not in the table is illegal, and
raises before anything has changed. Two rules stand beside the table: words of an attempt that was given up are
counted and ignored, and a stopped trial's last words are kept (its reports, its checkpoint) and never judged.
"""

from enum import StrEnum
from math import isfinite

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.scheduler.events import (
    CheckpointDamaged,
    CheckpointDelayed,
    CheckpointSaved,
    TrialBuilt,
    TrialCompleted,
    TrialDiverged,
    TrialFailed,
    TrialReleased,
    TrialReported,
    TrialStopRequested,
    WorkerLost,
)
from orchestrator.scheduler.instructions import GiveUp, Pause, Stop, Suspend, Train


class Status(StrEnum):
    __hash__ = str.__hash__  # Looked up at every record; Enum's own is written in Python.

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self not in LIVE


LIVE = (Status.WAITING, Status.RUNNING, Status.PAUSED)

TRANSITIONS: dict[tuple[Status, type], Status] = {
    (Status.WAITING, Train): Status.RUNNING,
    (Status.WAITING, Stop): Status.STOPPED,
    (Status.WAITING, GiveUp): Status.FAILED,
    (Status.WAITING, WorkerLost): Status.WAITING,
    (Status.WAITING, Suspend): Status.WAITING,
    # Judged when it goes on: its last report had come too late for that.
    (Status.WAITING, Pause): Status.PAUSED,
    # Suspended: its last words.
    (Status.WAITING, TrialReported): Status.WAITING,
    (Status.WAITING, CheckpointSaved): Status.WAITING,
    (Status.WAITING, TrialReleased): Status.WAITING,
    (Status.WAITING, TrialCompleted): Status.COMPLETED,
    (Status.WAITING, TrialDiverged): Status.DIVERGED,
    (Status.WAITING, TrialFailed): Status.FAILED,
    (Status.RUNNING, Train): Status.RUNNING,
    (Status.RUNNING, TrialReported): Status.RUNNING,
    (Status.RUNNING, CheckpointSaved): Status.RUNNING,
    (Status.RUNNING, WorkerLost): Status.WAITING,
    (Status.RUNNING, Pause): Status.PAUSED,
    (Status.RUNNING, Suspend): Status.WAITING,
    (Status.RUNNING, Stop): Status.STOPPED,
    (Status.RUNNING, TrialCompleted): Status.COMPLETED,
    (Status.RUNNING, TrialDiverged): Status.DIVERGED,
    (Status.RUNNING, TrialFailed): Status.FAILED,
    (Status.PAUSED, CheckpointSaved): Status.PAUSED,
    (Status.PAUSED, TrialReleased): Status.PAUSED,
    (Status.PAUSED, WorkerLost): Status.PAUSED,
    (Status.PAUSED, Train): Status.RUNNING,
    (Status.PAUSED, Stop): Status.STOPPED,
    (Status.PAUSED, GiveUp): Status.FAILED,
    # Training had ended, or went wrong, when the pause was decided: the two crossed on their way.
    (Status.PAUSED, TrialCompleted): Status.COMPLETED,
    (Status.PAUSED, TrialDiverged): Status.DIVERGED,
    (Status.PAUSED, TrialFailed): Status.FAILED,
    (Status.STOPPED, TrialReported): Status.STOPPED,
    (Status.STOPPED, CheckpointSaved): Status.STOPPED,
    (Status.STOPPED, TrialReleased): Status.STOPPED,
    (Status.STOPPED, TrialCompleted): Status.STOPPED,
    (Status.STOPPED, TrialDiverged): Status.STOPPED,
    (Status.STOPPED, TrialFailed): Status.STOPPED,
    (Status.STOPPED, WorkerLost): Status.STOPPED,
    **{(status, TrialBuilt): status for status in (Status.WAITING, Status.RUNNING, Status.STOPPED)},
    **{(status, CheckpointDelayed): status for status in (*LIVE, Status.STOPPED)},
    **{(status, CheckpointDamaged): status for status in Status},
    **{(status, TrialStopRequested): status for status in Status},
    (Status.RUNNING, CheckpointDamaged): Status.WAITING,
}


class Report(msgspec.Struct, frozen=True, gc=False):
    """One epoch. Runs hold millions: they are part of no cycle, so the garbage collector need not look at them."""

    epoch: int
    metrics: dict[str, float]
    seconds: float
    """That the trial had trained by then, in sum."""
    score: float
    """The objective, larger is better."""


class Trial:
    """What is known of one trial. Changed by `State` alone."""

    __slots__ = (
        "assignment",
        "attempt",
        "best",
        "checkpoint",
        "curve",
        "draw",
        "exhaustions",
        "failed_at",
        "failure",
        "failures",
        "holder",
        "losses",
        "memory_failures",
        "number",
        "previous",
        "reached",
        "reason",
        "repeats_itself",
        "safe_score",
        "stalls",
        "status",
        "structure",
        "suspended",
        "weights_lost",
        "worker",
    )

    def __init__(self, assignment: Assignment, reason: str, draw: int) -> None:
        self.number = assignment.trial
        self.draw = draw
        """Its number among those that the sampler drew: repeats are trials too, but none of them."""
        self.attempt = assignment.attempt
        self.assignment = assignment
        self.status = Status.WAITING
        self.reason = reason
        self.curve: list[Report] = []
        self.best: Report | None = None
        self.reached = 0
        """The last epoch of the longest curve it ever had."""
        self.checkpoint: Checkpoint | None = None
        """The last one committed, unless it was discarded."""
        self.previous: Checkpoint | None = None
        """The one before it, while the trial is live."""
        self.safe_score: float | None = None
        """The score of the best epoch in that checkpoint."""
        self.worker: int | None = None
        """The worker that trains it, or did last."""
        self.holder: int | None = None
        """The worker in whose memory it is."""
        self.structure: str | None = None
        """Models of one structure can share a compiled graph; None until it is built."""
        self.losses = 0
        """How often its worker died in training since its last checkpoint."""
        self.failures = 0
        """How often it failed otherwise, where it may be tried again."""
        self.memory_failures = 0
        self.exhaustions = 0
        """How many of these TensorFlow told of, whose memory was too small; not the machine's."""
        self.stalls = 0
        """How often no report came for too long."""
        self.failure: TrialFailed | None = None
        """The last one."""
        self.failed_at = 0
        """The epoch after which that was."""
        self.repeats_itself = False
        """It failed just as the attempt before."""
        self.suspended = False
        """Its worker was told to save it and to let go of it, and has not yet."""

        self.weights_lost = False
        """It is paused, and not as a checkpoint has it: what it was judged by stands, but cannot be gone on from."""

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The last one first."""
        return [checkpoint for checkpoint in (self.checkpoint, self.previous) if checkpoint is not None]

    @property
    def faults(self) -> int:
        return self.losses + self.failures + self.memory_failures + self.stalls

    @property
    def is_failing(self) -> bool:
        """It has not got beyond the epoch at which it failed."""
        return self.failure is not None and self.failure.kind != "storage" and self.epoch <= self.failed_at

    @property
    def needs_fresh_worker(self) -> bool:
        """It has run out of memory, for which what its worker trained before may have been the reason."""
        return self.memory_failures > 0

    @property
    def repeat_of(self) -> int | None:
        """The trial whose configuration it trains with another seed."""
        return self.assignment.repeat_of

    @property
    def is_repeat(self) -> bool:
        return self.repeat_of is not None

    @property
    def story(self) -> str:
        """The reason, and of a repeat what it repeats."""
        told = self.repeat_of is None or self.reason.startswith("repeats ")
        return self.reason if told else f"repeats trial {self.repeat_of}: {self.reason}"

    @property
    def is_due(self) -> bool:
        """It has trained to the end of its assignment."""
        return self.epoch >= self.assignment.to_epoch

    @property
    def configuration(self) -> Configuration:
        return self.assignment.configuration

    @property
    def epoch(self) -> int:
        """The last epoch of the curve."""
        return self.curve[-1].epoch if self.curve else 0

    @property
    def epochs(self) -> int:
        """How far it has got; for a failed trial, whose curve is gone, how far it once had."""
        return self.reached if self.status is Status.FAILED else self.epoch

    @property
    def score(self) -> float | None:
        """The best report's objective, larger is better; failed and diverged trials have none."""
        if self.best is None or self.status in (Status.DIVERGED, Status.FAILED):
            return None
        return self.best.score

    @property
    def seconds(self) -> float:
        return self.curve[-1].seconds if self.curve else 0.0

    def add(self, epoch: int, metrics: dict[str, float], seconds: float, score: float) -> None:
        """Append to the curve; an epoch that was trained before replaces the curve from there on."""
        curve = self.curve
        if curve and epoch <= curve[-1].epoch:
            self.cut(epoch - 1)
        report = Report(epoch, metrics, curve[-1].seconds + seconds if curve else seconds, score)
        curve.append(report)
        if epoch > self.reached:
            self.reached = epoch
        if (self.best is None or score > self.best.score) and isfinite(score):
            self.best = report

    def cut(self, epoch: int) -> None:
        """Withdraw what was learned after `epoch`; a best epoch among it goes too."""
        while self.curve and self.curve[-1].epoch > epoch:
            self.curve.pop()
        if self.best is not None and self.best.epoch > epoch:
            finite = [report for report in self.curve if isfinite(report.score)]
            self.best = max(finite, key=lambda report: report.score, default=None)

    def forget_traceback(self) -> None:
        if self.failure is not None:
            self.failure = msgspec.structs.replace(self.failure, traceback="")

    def settle(self) -> None:
        """It has ended, and no worker has it. Of its curve stay the reports that may still be asked for: by the
        leaderboard, or if the run is extended and it goes on from its checkpoint, at the last report."""
        saved = self.checkpoint.best_epoch if self.checkpoint is not None else 0
        last = len(self.curve) - 1
        self.curve = [
            report
            for place, report in enumerate(self.curve)
            if place == last or report is self.best or report.epoch == saved
        ]
