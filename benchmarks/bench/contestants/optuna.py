"""Optuna, one process for each core around a journal file, as its tutorial on parallel optimization recommends.

https://optuna.readthedocs.io/en/stable/tutorial/10_key_features/004_distributed.html
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState

from benchmarks.bench import models
from benchmarks.bench.contestants import processes
from benchmarks.bench.work import Configuration, Notes, Outcome, Work, gathered
from orchestrator import Choice, Float, Int, Space

NAME = "bench"


def run(work: Work, folder: Path) -> Outcome:
    study = optuna.create_study(study_name=NAME, storage=_storage(folder), direction="maximize")
    for configuration in work.configurations:
        study.enqueue_trial(configuration)
    processes.wait([processes.start(optimize, work, folder, seed) for seed in range(work.workers)])
    return gathered(folder)


def optimize(work: Work, folder: Path, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    notes = Notes(folder)
    train = _nothing(work, notes) if work.kind == "nothing" else _training(work, notes)

    def objective(trial: Trial) -> float:
        if trial.number >= work.trials:  # Two processes began what is one trial too many.
            raise optuna.TrialPruned
        return train(trial)

    def ended(_: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state == TrialState.COMPLETE:
            notes.end()

    # Those that run count too, or each process but the last would begin one too many.
    enough = MaxTrialsCallback(work.trials, states=(TrialState.COMPLETE, TrialState.RUNNING))
    sampler = optuna.samplers.RandomSampler(seed)
    study = optuna.load_study(study_name=NAME, storage=_storage(folder), sampler=sampler)
    study.optimize(objective, callbacks=[ended, enough])


def _nothing(work: Work, notes: Notes) -> Callable[[Trial], float]:
    def objective(trial: Trial) -> float:
        suggest(trial, models.SPACES[work.kind])
        for epoch in range(1, work.epochs + 1):
            trial.report(epoch, epoch)
            notes.report(trial.number, epoch)
        return work.epochs

    return objective


def _training(work: Work, notes: Notes) -> Callable[[Trial], float]:
    models.use_one_thread()
    import keras

    data = models.LOAD[work.kind]()

    def objective(trial: Trial) -> float:
        keras.utils.clear_session()  # As in its example for Keras.
        configuration = suggest(trial, models.SPACES[work.kind])
        return models.fit(work.kind, configuration, data, work.epochs, lambda value: notes.report(trial.number, value))

    return objective


def suggest(trial: Trial, space: Space) -> Configuration:
    return {name: _suggested(trial, name, space[name]) for name in space}


def _suggested(trial: Trial, name: str, domain: Any) -> Any:
    match domain:
        case Float():
            return trial.suggest_float(name, domain.low, domain.high, log=domain.scale == "log")
        case Int():
            return trial.suggest_int(name, domain.low, domain.high, log=domain.scale == "log")
        case Choice():
            return trial.suggest_categorical(name, domain.values)
    raise TypeError(f"{name} is {domain!r}, which no part has")


def _storage(folder: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(folder / "optuna.log")))
