"""One attempt's way through its epochs: the same rules for `fit` and for a loop of the user's own.

After each epoch: end as diverged if the score is no finite number; else report; at max epochs, or where training ended
by itself, save what may be among the best and complete; at `to_epoch` ask what follows; between, save now and then.

An urgent pause within an epoch leaves at once if every reported epoch is saved or can be, else it finishes the epoch.
Epochs that are trained in parts are saved and left within, at a step.
"""

import math
import time
from typing import Any, Protocol

import numpy as np

from orchestrator.assignment import Assignment
from orchestrator.errors import nearest
from orchestrator.study import Study
from orchestrator.training.failures import BadStudy
from orchestrator.training.link import Completed, Diverged, Ending, Interruption, Link, Released
from orchestrator.training.session import begin_epoch

LOSS = "loss"


class Keeper(Protocol):
    """Holds the trial's state, and its best epoch's."""

    best_epoch: int
    best_score: float | None

    def save(self) -> None:
        """Write what may be the run's best model, and at the end of an epoch all that the trial is to go on from."""

    def save_to_go_on(self) -> None:
        """Write all that the trial is to go on from, unless it was written for this epoch."""


class Attempt:
    """`ending` is set once training is to end; `epoch` is the last one reported."""

    def __init__(self, study: Study, assignment: Assignment, link: Link, checkpoint_every: float) -> None:
        self.assignment = assignment
        self.link = link
        self.epoch = assignment.after_epoch
        self.epoch_seconds = 0.0
        """How long the last one took."""
        self.has_trained = assignment.after_epoch > 0
        """The configuration is known to work: a batch, or in a loop of the user's own an epoch, was trained with it."""
        self.ending: Ending | None = None
        self._study = study
        self._checkpoint_every = checkpoint_every
        self._saved_at = time.monotonic()
        self._interruption: Interruption | None = None
        self._epoch_began = 0.0

    def interruption(self) -> Interruption | None:
        if self._interruption != "stop":
            self._interruption = self.link.interruption() or self._interruption
        return self._interruption

    def begin_epoch(self, epoch: int) -> None:
        begin_epoch(self.assignment.seed, epoch)
        self._epoch_began = time.perf_counter()

    def report(self, epoch: int, metrics: dict[str, float]) -> float:
        """The score, larger is better. Where it or the loss is no finite number, the trial has diverged: no report."""
        seconds = time.perf_counter() - self._epoch_began
        objective = self._study.objective
        if objective.name not in metrics:
            raise self._objective_missing(metrics)
        for name in (objective.name, LOSS):
            if not math.isfinite(metrics.get(name, 0.0)):
                self.ending = Diverged(epoch, f"{name} became {metrics[name]} in epoch {epoch}")
                return math.nan
        self.link.report(epoch, metrics, seconds)
        self.epoch, self.epoch_seconds, self.has_trained = epoch, seconds, True
        return objective.score(metrics)

    def _objective_missing(self, metrics: dict[str, float]) -> BadStudy:
        name, reported = self._study.objective.name, sorted(metrics)
        return self.mistake(
            f"the objective '{name}' is not reported; reported are {', '.join(reported) or 'no metrics'}"
            f"{nearest(name, reported)}"
        )

    def mistake(self, message: str) -> BadStudy:
        return BadStudy(message, self._study.build or self._study.train)

    def decide(self, keeper: Keeper, ended_by_itself: bool) -> None:
        """What follows a reported epoch. Blocks at `to_epoch`; sets `ending` unless training goes on."""
        maximum = self.assignment.max_epochs
        if self.ending is not None:
            return
        interruption = self.interruption() if self.epoch < maximum else None
        if self.epoch >= maximum:
            self._complete(keeper, f"reached epoch {maximum}")
        elif interruption == "stop":
            self.stop(keeper)
        elif ended_by_itself:
            self._complete(keeper, f"training ended by itself after epoch {self.epoch} of {maximum}")
        elif interruption == "pause":
            self.pause(keeper)
        elif self.epoch >= self.assignment.to_epoch:
            self._ask(keeper)
        self.save_if_due(keeper)

    def save_if_due(self, keeper: Keeper) -> None:
        """Where training is going on."""
        if self.ending is None and time.monotonic() - self._saved_at >= self._checkpoint_every:
            keeper.save_to_go_on()
            self._saved_at = time.monotonic()

    def stop(self, keeper: Keeper) -> None:
        """For good: saved only where that may be the best model of the run."""
        self._save_if_best(keeper)
        self.ending = Released()

    def pause(self, keeper: Keeper) -> None:
        """To go on later, perhaps elsewhere, from the last reported epoch."""
        keeper.save_to_go_on()
        self.ending = Released()

    def _ask(self, keeper: Keeper) -> None:
        verdict = self.link.verdict()
        if isinstance(verdict, Assignment):
            self.assignment = verdict
        elif verdict == "pause":
            self.pause(keeper)
        else:
            self.stop(keeper)

    def _complete(self, keeper: Keeper, reason: str) -> None:
        self._save_if_best(keeper)
        self.ending = Completed(reason)

    def _save_if_best(self, keeper: Keeper) -> None:
        safe = self.assignment.keep_above
        if keeper.best_score is not None and (safe is None or keeper.best_score >= safe):
            keeper.save()


def number(value: Any) -> float | None:
    """A metric as it is reported: also of arrays, tensors and variables without dimensions. None if it is no number."""
    if type(value) is float:
        return value
    try:
        in_numpy = getattr(value, "numpy", None)
        array = np.asarray(in_numpy() if callable(in_numpy) else value)
        return None if array.ndim or array.dtype.kind not in "biufV" else float(array)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
