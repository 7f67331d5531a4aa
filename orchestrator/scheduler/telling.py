"""What a stopper and a sampler are told: of trials that could still be judged, and what was decided about them.

Of repeats neither is told: nobody drew them, they are compared with nothing, and train to the end.
"""

from orchestrator.samplers import Sampler
from orchestrator.scheduler.events import (
    Event,
    TrialCompleted,
    TrialDiverged,
    TrialEvent,
    TrialFailed,
    TrialReported,
)
from orchestrator.scheduler.instructions import Adapt, GiveUp, Pause, Record, Stop, Train
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.stoppers import Stopper

LAST_WORDS = (TrialCompleted, TrialDiverged, TrialFailed)


def is_repeated(record: Record, state: State) -> bool:
    """An assignment is given once more: if its trial has come to be judged meanwhile, it still is to be.

    Or a trial that had lost its weights while it was paused is paused once more.
    """
    if isinstance(record, Pause) and 0 <= record.trial < len(state.trials):
        return state.trials[record.trial].weights_lost
    if not isinstance(record, Train) or record.assignment.trial >= len(state.trials):
        return False
    return record.assignment.to_epoch == state.trials[record.assignment.trial].assignment.to_epoch


def tell(record: Record, state: State, stopper: Stopper, sampler: Sampler) -> None:
    """Pass on a fact or a decision that the state has just taken in."""
    if state.repeats and _is_of_repeat(record, state):
        return
    if isinstance(record, TrialEvent):
        _tell_of_trial(record, state, stopper, sampler)
    elif not isinstance(record, Event):
        _tell_decision(record, state, stopper, sampler)


def _tell_of_trial(record: TrialEvent, state: State, stopper: Stopper, sampler: Sampler) -> None:
    trial = state.trials[record.trial]
    if isinstance(record, TrialReported):
        if trial.status in (Status.RUNNING, Status.WAITING):
            score = trial.curve[-1].score
            stopper.reported(trial.number, record.epoch, score)
            sampler.reported(trial.draw, record.epoch, score)
        return
    if not isinstance(record, LAST_WORDS) or trial.status not in (Status.COMPLETED, Status.DIVERGED, Status.FAILED):
        return  # Stopped already, or to be tried again.
    match trial.status:
        case Status.DIVERGED:
            stopper.diverged(trial.number)
        case Status.FAILED:
            stopper.withdrawn(trial.number)
        case Status.COMPLETED:
            stopper.ended(trial.number)
    sampler.ended(trial.draw, trial.score)


def _is_of_repeat(record: Record, state: State) -> bool:
    number = record.assignment.trial if isinstance(record, Train) else getattr(record, "trial", None)
    return number is not None and state.trials[number].is_repeat


def _tell_decision(record: Record, state: State, stopper: Stopper, sampler: Sampler) -> None:
    match record:
        case Train(assignment=assignment) if assignment.begins_trial:
            stopper.begun(assignment.trial)
            sampler.begun(state.trials[assignment.trial].draw, assignment.configuration)
        case Train():
            stopper.resumed(record.assignment.trial)
        case Pause():
            stopper.paused(record.trial)
            sampler.paused(state.trials[record.trial].draw)
        case Stop():
            stopper.ended(record.trial)
            sampler.ended(state.trials[record.trial].draw, state.trials[record.trial].score)
        case GiveUp():
            stopper.withdrawn(record.trial)
            sampler.ended(state.trials[record.trial].draw, None)
        case Adapt(part="stopper"):
            stopper.adapted(record.settings)
        case Adapt():
            sampler.adapted(record.settings)
