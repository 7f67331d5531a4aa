"""One trial, and the table of its states.

    waiting ──Train──▶ running ──Pause──▶ paused ──Train──▶ running
                          │                  │
                          ├─▶ completed      └──Stop──▶ stopped
                          ├─▶ stopped
                          ├─▶ diverged
                          └─▶ failed

A word of the table is an event or an instruction, by its type; a word that is not in the table is illegal, and
raises before anything has changed. Two rules stand beside the table: words of an attempt that was given up are
counted and ignored, and a stopped trial's last words are kept (its reports, its checkpoint) and never judged.
"""

from enum import StrEnum
from math import isfinite

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.scheduler.events import (
    CheckpointSaved,
    TrialCompleted,
    TrialDiverged,
    TrialFailed,
    TrialReleased,
    TrialReported,
    WorkerLost,
)
from orchestrator.scheduler.instructions import GiveUp, Pause, Stop, Train


class Status(StrEnum):
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
    (Status.RUNNING, Train): Status.RUNNING,
    (Status.RUNNING, TrialReported): Status.RUNNING,
    (Status.RUNNING, CheckpointSaved): Status.RUNNING,
    (Status.RUNNING, WorkerLost): Status.WAITING,
    (Status.RUNNING, Pause): Status.PAUSED,
    (Status.RUNNING, Stop): Status.STOPPED,
    (Status.RUNNING, TrialCompleted): Status.COMPLETED,
    (Status.RUNNING, TrialDiverged): Status.DIVERGED,
    (Status.RUNNING, TrialFailed): Status.FAILED,
    (Status.PAUSED, CheckpointSaved): Status.PAUSED,
    (Status.PAUSED, TrialReleased): Status.PAUSED,
    (Status.PAUSED, WorkerLost): Status.PAUSED,
    (Status.PAUSED, Train): Status.RUNNING,
    (Status.PAUSED, Stop): Status.STOPPED,
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
}


class Report(msgspec.Struct, frozen=True, gc=False):
    """One epoch. Runs hold millions: they are part of no cycle, so the garbage collector need not look at them."""

    epoch: int
    metrics: dict[str, float]
    seconds: float
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
        "failure",
        "holder",
        "losses",
        "number",
        "reason",
        "safe_score",
        "status",
        "worker",
    )

    def __init__(self, assignment: Assignment, reason: str) -> None:
        self.number = assignment.trial
        self.attempt = assignment.attempt
        self.assignment = assignment
        self.status = Status.WAITING
        self.reason = reason
        self.curve: list[Report] = []
        self.best: Report | None = None
        self.checkpoint: Checkpoint | None = None
        """The last one committed, unless it was discarded."""
        self.safe_score: float | None = None
        """The score of the best epoch in that checkpoint."""
        self.worker: int | None = None
        """The worker that trains it, or did last."""
        self.holder: int | None = None
        """The worker in whose memory it is."""
        self.losses = 0
        """How often its worker was lost in training since its last checkpoint."""
        self.failure: TrialFailed | None = None

    @property
    def configuration(self) -> Configuration:
        return self.assignment.configuration

    @property
    def epoch(self) -> int:
        """The last epoch of the curve."""
        return self.curve[-1].epoch if self.curve else 0

    @property
    def score(self) -> float | None:
        """The best report's objective, larger is better; failed and diverged trials have none."""
        if self.best is None or self.status in (Status.DIVERGED, Status.FAILED):
            return None
        return self.best.score

    @property
    def seconds(self) -> float:
        return sum(report.seconds for report in self.curve)

    def add(self, report: Report) -> None:
        """Append to the curve; an epoch that was trained before replaces the curve from there on."""
        if report.epoch <= self.epoch:
            self.cut(report.epoch - 1)
        self.curve.append(report)
        if isfinite(report.score) and (self.best is None or report.score > self.best.score):
            self.best = report

    def cut(self, epoch: int) -> None:
        """Withdraw what was learned after `epoch`; a best epoch among it goes too."""
        while self.curve and self.curve[-1].epoch > epoch:
            self.curve.pop()
        if self.best is not None and self.best.epoch > epoch:
            finite = [report for report in self.curve if isfinite(report.score)]
            self.best = max(finite, key=lambda report: report.score, default=None)
