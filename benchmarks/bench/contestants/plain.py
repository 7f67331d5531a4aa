"""The yardstick: a loop over the configurations that calls `fit`, in one process for each core. It keeps no record."""

import multiprocessing
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import models
from benchmarks.bench.contestants import processes
from benchmarks.bench.work import Notes, Outcome, Work, gathered


def run(work: Work, folder: Path) -> Outcome:
    following = multiprocessing.get_context("spawn").Value("i", 0)
    processes.wait([processes.start(loop, work, folder, following) for _ in range(work.workers)])
    return gathered(folder)


def loop(work: Work, folder: Path, following: Any) -> None:
    """Each process takes the next configuration, so that none is left with the longer half."""
    models.use_one_thread()
    import keras

    notes, data = Notes(folder), models.LOAD[work.kind]()
    while True:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= work.trials:
            return
        keras.utils.clear_session()  # As Keras recommends where models are made in a loop.
        report = partial(notes.report, number)
        models.fit(work.kind, work.configurations[number], data, work.epochs, report)
        notes.end()
