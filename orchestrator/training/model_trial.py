"""Trains the model of a study's `build`: its epochs in one graph where that can be, else by `fit`."""

import logging

from orchestrator.study import Study
from orchestrator.training.attempt import Attempt
from orchestrator.training.compiled import NotTraceable, obstacle, train_compiled
from orchestrator.training.data import Data
from orchestrator.training.fit import train_by_fit
from orchestrator.training.keras_session import has_begun
from orchestrator.training.link import Ending, Loop
from orchestrator.training.pipelines import Pipelines
from orchestrator.training.prepared import Prepared, array_feed, prepare, prepare_pipelines
from orchestrator.training.structure import is_stock

_told: set[str] = set()
"""Why trials of this process were trained by `fit`."""


def train_model(study: Study, data: Data | Pipelines, attempt: Attempt, loop: Loop) -> Ending:
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
