"""Trains one trial, from where its assignment says to where the answers it gets end it."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.study import Study
from orchestrator.training.attempt import Attempt
from orchestrator.training.compiled import NotTraceable, obstacle, train_compiled
from orchestrator.training.data import Data
from orchestrator.training.failures import failed
from orchestrator.training.fit import train_by_fit
from orchestrator.training.link import Activity, Completed, Ending, Interruption, Link, Loop, Verdict
from orchestrator.training.loop import train_by_loop
from orchestrator.training.own_data import OwnData
from orchestrator.training.pipelines import Pipelines
from orchestrator.training.prepared import Prepared, array_feed, prepare, prepare_pipelines
from orchestrator.training.session import has_begun
from orchestrator.training.structure import is_stock

_told: set[str] = set()
"""Why trials of this process were trained by `fit`."""


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
        ending = _train_model(study, data, attempt, loop) if study.build else train_by_loop(study, data, attempt)
    except (Exception, SystemExit) as error:
        ending = failed(error, attempt.has_trained)
    if guarded.broken is not None:
        raise guarded.broken
    return ending


def _train_model(study: Study, data: Data | Pipelines, attempt: Attempt, loop: Loop) -> Ending:
    if isinstance(data, Pipelines):
        with attempt.link.during("build"):
            piped = prepare_pipelines(study, data, attempt.assignment)
        _tell_once("its data are tf.data pipelines")
        return train_by_fit(piped, piped.feed, attempt)
    prepared = _prepared(study, data, attempt)
    why_fit = 'loop="fit"' if loop == "fit" else obstacle(prepared)
    if why_fit is None:
        try:
            return train_compiled(prepared, attempt)
        except NotTraceable as error:
            why_fit = f"TensorFlow cannot compile its epochs into one graph: {error}"
            prepared = _prepared(study, data, attempt)
    _tell_once(why_fit)
    return train_by_fit(prepared, array_feed(prepared, attempt.assignment), attempt)


def _tell_once(why_fit: str) -> None:
    if why_fit not in _told:
        _told.add(why_fit)
        logging.getLogger(__name__).warning("trained by fit, batch by batch: %s", why_fit)


def _prepared(study: Study, data: Data, attempt: Attempt) -> Prepared:
    """A trial that goes on in a process where it was before has all that its kernels could draw in its checkpoint, as
    long as every part of it is Keras's own."""
    assignment = attempt.assignment
    goes_on = assignment.start is not None and has_begun(assignment.seed)
    with attempt.link.during("build"):
        prepared = prepare(study, data, assignment, keep_kernels=goes_on)
        return prepare(study, data, assignment) if goes_on and not is_stock(prepared) else prepared


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
