"""Whether a record can follow a state. Asked before anything is changed."""

from collections.abc import Callable
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

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
    """
    Raises:
        IllegalRecord: The record cannot follow.
    """
    if isinstance(record, Event) and not isfinite(record.at):
        raise IllegalRecord(f"{record}: it has no time")
    if (look := PROBLEMS.get(type(record))) is not None and (problem := look(state, record)) is not None:
        raise IllegalRecord(f"{record}: {problem}")
    number = record.assignment.trial if isinstance(record, Train) else getattr(record, "trial", None)
    if number is None or (isinstance(record, Train) and number == len(state.trials)):
        return
    if not 0 <= number < len(state.trials):
        raise IllegalRecord(f"{record}: trials are numbered in order, {len(state.trials)} is the next")
    status = state.trials[number].status
    if (status, type(record)) not in TRANSITIONS:
        raise IllegalRecord(f"{record}: trial {number} is {status}")


def _of_worker(state: "State", record: Train | Suspend | Dismiss) -> str | None:
    return None if record.worker in state.workers else "there is no such worker"


def _of_joined(state: "State", record: WorkerJoined) -> str | None:
    return "the worker is there already" if record.worker in state.workers else None


def _of_report(state: "State", record: TrialReported) -> str | None:
    if state.objective.name not in record.metrics:
        return f"the objective '{state.objective.name}' is not among the metrics"
    if record.epoch < 1:
        return "there is no such epoch"
    return None if 0 <= record.seconds < inf else "no epoch takes so long"


def _of_diverged(_: "State", record: TrialDiverged) -> str | None:
    return None if record.epoch >= 1 else "there is no such epoch"


def _of_proposal(state: "State", record: ConfigurationProposed | SamplerExhausted) -> str | None:
    return None if record.number in state.proposing else "nobody asked for it"


def _of_discard(state: "State", record: Discard) -> str | None:
    return None if _is_committed(state, record.checkpoint) else "there is no such checkpoint"


PROBLEMS: dict[type, Callable[["State", Any], str | None]] = {
    Train: _of_worker,
    Suspend: _of_worker,
    Dismiss: _of_worker,
    WorkerJoined: _of_joined,
    TrialReported: _of_report,
    TrialDiverged: _of_diverged,
    ConfigurationProposed: _of_proposal,
    SamplerExhausted: _of_proposal,
    Discard: _of_discard,
}
"""What is wrong with a record of each kind, beside what the table of a trial's states says."""
