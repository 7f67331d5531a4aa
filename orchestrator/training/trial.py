"""Trains one trial, from where its assignment says to where the answers it gets end it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.study import Study
from orchestrator.training.attempt import Attempt
from orchestrator.training.failures import failed
from orchestrator.training.link import Activity, Completed, Ending, Interruption, Link, Loop, Verdict
from orchestrator.training.loop import train_by_loop
from orchestrator.training.own_data import OwnData


def train_trial(
    study: Study, assignment: Assignment, data: Any, link: Link, checkpoint_every: float = 60.0, loop: Loop = "auto"
) -> Ending:
    """What the user's code raises is an ending; what the link raises is raised.

    Args:
        study: What to train.
        assignment: From where to where.
        data: `Data` or `Pipelines` for a study with `build`; for one with `train` whatever its `data()` returned;
            `OwnData` for either, where the study makes its data in the worker.
        link: Told of it, and asked what follows.
        checkpoint_every: Seconds between checkpoints while it trains.
        loop: See `Loop`.
    """
    if assignment.after_epoch >= assignment.max_epochs:
        # Its worker was lost between its last checkpoint and its last word.
        return Completed(f"reached epoch {assignment.max_epochs}")
    guarded = _GuardedLink(link)
    attempt = Attempt(study, assignment, guarded, checkpoint_every)
    try:
        if isinstance(data, OwnData):
            with link.during("data"):
                data = data.of(assignment.configuration)
        ending = _train(study, data, attempt, loop)
    except (Exception, SystemExit) as error:
        ending = failed(error, attempt.has_trained)
    if guarded.broken is not None:
        raise guarded.broken
    return ending


def _train(study: Study, data: Any, attempt: Attempt, loop: Loop) -> Ending:
    if study.build is None:
        return train_by_loop(study, data, attempt)
    from orchestrator.training.model_trial import train_model  # And with it TensorFlow, which a loop may do without.

    return train_model(study, data, attempt, loop)


class _GuardedLink:
    """Remembers what the link raised: it is not the user's failure, whatever his code makes of it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.broken: Exception | None = None

    def built(self, structure: str, reused: bool) -> None:
        self._guarded(self._link.built, structure, reused)

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        self._guarded(self._link.report, epoch, metrics, seconds)

    def interruption(self) -> Interruption | None:
        answer: Interruption | None = self._guarded(self._link.interruption)
        return answer

    def verdict(self) -> Verdict:
        answer: Verdict = self._guarded(self._link.verdict)
        return answer

    def save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        self._guarded(self._link.save, pack)

    def load(self, checkpoint: Checkpoint) -> bytes:
        return bytes(self._guarded(self._link.load, checkpoint))

    def during(self, activity: Activity) -> AbstractContextManager[None]:
        return self._link.during(activity)

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            self.broken = error
            raise
