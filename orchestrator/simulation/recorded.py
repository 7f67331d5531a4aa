"""Learning curves from the journal of an earlier run: its trials that reported are the rows, in their order.

- A trial that was trained again after a loss counts with its last curve.
- What its first epoch waited for after the decision to begin (the build, the trace, what the worker still had to save)
  is the start cost of that row; queued trials wait from the end of the one before them. The resume cost is the median
  of what trials waited for after they were to go on from a checkpoint, 0 if none did.
- Most trials of a run with early stopping were never trained to the end, and nobody knows how they would have gone on.
  A simulated trial that gets there ends there by itself, with the best value that it had. What a full training of such
  a row costs is told by the mean of its epochs.
"""

import json
from math import inf, isfinite
from pathlib import Path
from statistics import median

import numpy as np

from orchestrator.errors import UserError
from orchestrator.journal import FILE, Header, JournalDamaged, read_journal
from orchestrator.objective import Objective
from orchestrator.scheduler.events import (
    Event,
    TrialCompleted,
    TrialDiverged,
    TrialEvent,
    TrialFailed,
    TrialReleased,
    TrialReported,
)
from orchestrator.scheduler.instructions import Record, Train
from orchestrator.scheduler.legality import IllegalRecord
from orchestrator.scheduler.state import State
from orchestrator.simulation.curves import Curves, Rows
from search_spaces import Space, SpaceError

STUDY = "study.json"
LEFT = (TrialCompleted, TrialDiverged, TrialFailed, TrialReleased)


class Row:
    """One trial as recorded."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.seconds: list[float] = []
        self.start_cost = 0.0
        self.cold = False
        """It was the first trial of its worker."""
        self.ended = False
        """By itself or at the last epoch, so that there is nothing more to know."""

    def reported(self, epoch: int, value: float, seconds: float) -> None:
        del self.values[epoch - 1 :], self.seconds[epoch - 1 :]
        gap = epoch - 1 - len(self.values)
        # A jump over epochs: what was not reported is as good as what follows, and shares its time.
        self.values += [value] * (gap + 1)
        self.seconds += [seconds / (gap + 1)] * (gap + 1)


class _Reading:
    """Of a journal, record by record."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.rows: dict[int, Row] = {}
        self.configurations: dict[int, dict[str, object]] = {}
        self.resumes: list[float] = []
        self._state = State(objective)
        self._now = 0.0
        self._last_epoch: dict[int, int] = {}
        self._waiting: dict[int, tuple[Train, float]] = {}
        """Trials that are to begin or to go on, and since when; until their first report."""
        self._worker_of: dict[int, int] = {}
        self._warm: set[int] = set()
        self._left_at: dict[int, float] = {}
        """When each worker last got rid of a trial."""
        self._last_at: dict[int, float] = {}

    def read(self, record: Record) -> None:
        """IllegalRecord for one that cannot be."""
        self._state.apply(record)
        if isinstance(record, Event):
            if not isfinite(record.at):
                raise IllegalRecord(f"{record}: it has no time")
            self._now = record.at
        if isinstance(record, Train):
            self._train(record)
        elif isinstance(record, TrialEvent):
            self._trial_event(record)

    def _train(self, train: Train) -> None:
        assignment = train.assignment
        trial = assignment.trial
        self._last_epoch[trial] = assignment.max_epochs
        self.configurations.setdefault(trial, assignment.configuration)
        if train.worker not in self._warm:
            self._warm.add(train.worker)
            self.rows.setdefault(trial, Row()).cold = True
        self._worker_of[trial] = train.worker
        self._last_at[trial] = self._now
        if assignment.after_epoch == 0 or assignment.start is not None:
            self._waiting[trial] = train, self._now

    def _trial_event(self, event: TrialEvent) -> None:
        row = self.rows.setdefault(event.trial, Row())
        if isinstance(event, TrialReported | TrialDiverged) and not 1 <= event.epoch <= self._last_epoch[event.trial]:
            raise IllegalRecord(f"{event}: epochs are those from 1 to {self._last_epoch[event.trial]}")
        if isinstance(event, TrialReported):
            if not 0 <= event.seconds < inf:
                raise IllegalRecord(f"{event}: no epoch takes {event.seconds:g} seconds")
            self._waited(event, row)
            row.reported(event.epoch, event.metrics[self.objective.name], event.seconds)
            self._last_at[event.trial] = event.at
        elif isinstance(event, TrialDiverged):
            row.reported(event.epoch, float("nan"), max(event.at - self._last_at[event.trial], 0.0))
        if isinstance(event, LEFT) and event.trial in self._worker_of:
            row.ended |= isinstance(event, TrialCompleted | TrialDiverged)
            self._left_at[self._worker_of[event.trial]] = event.at

    def _waited(self, report: TrialReported, row: Row) -> None:
        train, since = self._waiting.pop(report.trial, (None, 0.0))
        if train is None:
            return
        if train.queued:
            since = max(since, self._left_at.get(train.worker, 0.0))
        waited = max(report.at - report.seconds - since, 0.0)
        if train.assignment.start is not None:
            self.resumes.append(waited)
        elif train.assignment.attempt == 1:
            row.start_cost = waited


def read_run(run_dir: Path) -> Curves:
    """The curves of a run, as one task that is called as its study is.

    Raises:
        UserError: There is no journal, it is damaged, or no trial has reported anything.
    """
    header, reading = _read(run_dir)
    rows = {trial: row for trial, row in sorted(reading.rows.items()) if row.values}
    if not any(np.isfinite(row.values).any() for row in rows.values()):
        raise UserError(f"{run_dir}: no trial has reported {header.objective} yet, so there is nothing to simulate on")
    epochs = max(max(len(row.values) for row in rows.values()), int(header.settings.get("epochs", 1)))
    shape = (1, len(rows), epochs)
    value, seconds = np.full(shape, np.nan), np.zeros(shape)
    lengths, full = np.zeros(len(rows), np.int64), np.zeros(len(rows))
    for place, row in enumerate(rows.values()):
        length = lengths[place] = len(row.values)
        value[0, place, :length], seconds[0, place, :length] = row.values, row.seconds
        full[place] = sum(row.seconds) * (1 if row.ended else epochs / length)
    cut = sum(not row.ended for row in rows.values())
    if full.sum() <= 0:
        raise UserError(f"{run_dir}: its epochs took no time at all, so there is no budget to simulate")
    return Curves(
        tasks=[header.study],
        objective=reading.objective,
        value=value,
        seconds=seconds,
        full_seconds=full[None],
        rows=_rows(run_dir, [reading.configurations[trial] for trial in rows]),
        lengths=lengths,
        start_cost=np.array([row.start_cost for row in rows.values()]),
        resume_cost=median(reading.resumes) if reading.resumes else 0.0,
        note=f"{cut} of {len(rows)} curves end before their training did: simulated trials end there" if cut else "",
    )


def read_rows(run_dir: Path) -> tuple[list[Row], list[float]]:
    """The trials of a run that reported, and what each that went on from a checkpoint waited for, in seconds.

    Raises:
        UserError: There is no journal, or it is damaged.
    """
    _, reading = _read(run_dir)
    return [row for row in reading.rows.values() if np.isfinite(row.values).any()], reading.resumes


def _read(run_dir: Path) -> tuple[Header, _Reading]:
    header, records = read_journal(run_dir)
    reading = _Reading(Objective(header.objective, "min" if header.direction == "min" else "max"))
    for line, record in enumerate(records, start=2):
        try:
            reading.read(record)
        except IllegalRecord as error:
            raise JournalDamaged(f"{run_dir / FILE}, line {line}: {error}") from None
    return header, reading


def _rows(run_dir: Path, configurations: list[dict[str, object]]) -> Rows | str:
    """The study's space without its constraints, whose functions are not at hand; rows stand for what is drawn."""
    try:
        data = json.loads((run_dir / STUDY).read_text(encoding="utf-8"))["space"]
        return Rows(Space.from_json(data | {"constraints": []}), configurations)
    except (OSError, ValueError, KeyError, TypeError, SpaceError) as error:
        return f"{STUDY} of the run does not tell it ({type(error).__name__}: {error})"
