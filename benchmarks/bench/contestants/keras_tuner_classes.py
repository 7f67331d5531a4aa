"""What KerasTuner wants subclassed; importing it imports TensorFlow."""

from pathlib import Path
from typing import Any

import keras_tuner as kt

from benchmarks.bench import models
from benchmarks.bench.contestants.keras_tuner import suggest
from benchmarks.bench.work import OBJECTIVE, Notes, Work


def make_tuner(work: Work, folder: Path, notes: Notes | None) -> kt.Tuner:
    """With `notes` a worker, without the chief."""
    objective = kt.Objective(OBJECTIVE, "max")
    oracle = Listed(work, objective=objective, max_trials=work.trials, seed=0)
    names: dict[str, Any] = {"directory": folder, "project_name": "keras_tuner"}
    if work.kind == "nothing":
        return Nothing(notes, work, oracle=oracle, **names)
    return Training(notes, work, oracle=oracle, hypermodel=Model(work), **names)


class Listed(kt.oracles.RandomSearchOracle):
    """Random search, but for the configurations that all contestants train."""

    def __init__(self, work: Work, **arguments: Any) -> None:
        self._listed = work.configurations
        super().__init__(**arguments)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self._listed:
            return super().populate_space(trial_id)
        return {"status": "RUNNING", "values": dict(self._listed[int(trial_id)])}


class Model(kt.HyperModel):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def build(self, hp: kt.HyperParameters) -> Any:
        return models.BUILD[self._work.kind](suggest(hp, models.SPACES[self._work.kind]))

    def fit(self, hp: kt.HyperParameters, model: Any, *arguments: Any, **named: Any) -> Any:
        configuration = suggest(hp, models.SPACES[self._work.kind])
        return model.fit(*arguments, batch_size=configuration.get("batch_size", models.BATCH_SIZE), **named)


class _Noting(kt.Tuner):
    """Notes each epoch, and the trial's end once the oracle knows of it."""

    def __init__(self, notes: Notes | None, work: Work, **arguments: Any) -> None:
        self._notes = notes
        self._work = work
        super().__init__(**arguments)

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        if self._notes is not None:
            self._notes.end()

    def _note(self, number: int, value: float) -> None:
        if self._notes is not None:
            self._notes.report(number, value)


class Training(_Noting):
    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(trial, model, epoch, logs)
        self._note(self._work.number_of(trial.hyperparameters.values), float((logs or {})[OBJECTIVE]))


class Nothing(_Noting):
    def run_trial(self, trial: Any, *arguments: Any, **named: Any) -> dict[str, float]:
        suggest(trial.hyperparameters, models.SPACES[self._work.kind])
        self._note(int(trial.trial_id), float(self._work.epochs))
        return {OBJECTIVE: float(self._work.epochs)}
