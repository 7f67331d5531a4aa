"""Whether a record can follow a state. Asked before anything is changed."""

from math import inf, isfinite
from typing import TYPE_CHECKING

from orchestrator.assignment import Checkpoint
from orchestrator.scheduler.events import (
    CheckpointDamaged,
    ConfigurationProposed,
    Event,
    SamplerExhausted,
    TrialDiverged,
    TrialEvent,
    TrialReported,
    WorkerJoined,
)
from orchestrator.scheduler.instructions import Discard, Dismiss, Record, Suspend, Train
from orchestrator.scheduler.trial import TRANSITIONS

if TYPE_CHECKING:
    from orchestrator.scheduler.state import State


class IllegalRecord(Exception):
    """A record that cannot follow the state; nothing was changed."""


def is_current(state: "State", event: TrialEvent) -> bool:
    """Whether an event speaks of what is still there: of the trial's present attempt; an earlier one was given up."""
    if not 0 <= event.trial < len(state.trials):
        raise IllegalRecord(f"{event}: there is no such trial")
    attempt = state.trials[event.trial].attempt
    if event.attempt > attempt:
        raise IllegalRecord(f"{event}: attempt {attempt} is the last one begun")
    if isinstance(event, CheckpointDamaged) and not _is_last_or_previous(state, event):
        return False  # It was discarded meanwhile.
    return event.attempt == attempt


def _is_committed(state: "State", checkpoint: Checkpoint) -> bool:
    if checkpoint.name in state.superseded:
        return True
    if not 0 <= checkpoint.trial < len(state.trials):
        return False
    trial = state.trials[checkpoint.trial]
    return checkpoint in (trial.checkpoint, trial.previous)


def _is_last_or_previous(state: "State", record: CheckpointDamaged) -> bool:
    trial = state.trials[record.trial]
    return record.name in {checkpoint.name for checkpoint in trial.checkpoints}


def check(state: "State", record: Record) -> None:
    if isinstance(record, Train | Suspend | Dismiss) and record.worker not in state.workers:
        raise IllegalRecord(f"{record}: there is no such worker")
    if isinstance(record, WorkerJoined) and record.worker in state.workers:
        raise IllegalRecord(f"{record}: the worker is there already")
    if isinstance(record, TrialReported) and state.objective.name not in record.metrics:
        raise IllegalRecord(f"{record}: the objective '{state.objective.name}' is not among the metrics")
    if isinstance(record, Event) and not isfinite(record.at):
        raise IllegalRecord(f"{record}: it has no time")
    if isinstance(record, TrialReported | TrialDiverged) and record.epoch < 1:
        raise IllegalRecord(f"{record}: there is no such epoch")
    if isinstance(record, TrialReported) and not 0 <= record.seconds < inf:
        raise IllegalRecord(f"{record}: no epoch takes so long")
    if isinstance(record, ConfigurationProposed | SamplerExhausted) and record.number not in state.proposing:
        raise IllegalRecord(f"{record}: nobody asked for it")
    if isinstance(record, Discard) and not _is_committed(state, record.checkpoint):
        raise IllegalRecord(f"{record}: there is no such checkpoint")
    number = record.assignment.trial if isinstance(record, Train) else getattr(record, "trial", None)
    if number is None or (isinstance(record, Train) and number == len(state.trials)):
        return
    if not 0 <= number < len(state.trials):
        raise IllegalRecord(f"{record}: trials are numbered in order, {len(state.trials)} is the next")
    status = state.trials[number].status
    if (status, type(record)) not in TRANSITIONS:
        raise IllegalRecord(f"{record}: trial {number} is {status}")
