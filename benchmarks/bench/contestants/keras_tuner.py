"""KerasTuner: a chief that hands out trials and a worker for each core, as its guide on distributed tuning shows.

https://keras.io/guides/keras_tuner/distributed_tuning/

It reports nothing within a trial, and saves the best epoch's weights of each. When its work is done the chief sleeps
for up to 20 seconds before it ends, which is not waited for.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench import models
from benchmarks.bench.contestants import processes
from benchmarks.bench.work import Notes, Outcome, Work, gathered
from orchestrator import Choice, Float, Int, Space

HOST = "127.0.0.1"


def run(work: Work, folder: Path) -> Outcome:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    chief = processes.start(search, work, folder, "chief", port)
    try:
        processes.wait([processes.start(search, work, folder, f"tuner{n}", port) for n in range(work.workers)])
    finally:
        chief.terminate()
        chief.join()
    return gathered(folder)


def search(work: Work, folder: Path, tuner_id: str, port: int) -> None:
    os.environ |= {
        "KERASTUNER_TUNER_ID": tuner_id,
        "KERASTUNER_ORACLE_IP": HOST,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    models.use_one_thread()
    from benchmarks.bench.contestants.keras_tuner_classes import make_tuner

    tuner = make_tuner(work, folder, None if tuner_id == "chief" else Notes(folder))
    if work.kind == "nothing":
        tuner.search()
        return
    (x_train, y_train), validation = models.LOAD[work.kind]()
    tuner.search(x_train, y_train, epochs=work.epochs, validation_data=validation, verbose=0)


def suggest(hp: Any, space: Space) -> Mapping[str, Any]:
    return {name: _suggested(hp, name, space[name]) for name in space}


def _suggested(hp: Any, name: str, domain: Any) -> Any:
    match domain:
        case Float():
            return hp.Float(name, domain.low, domain.high, sampling=domain.scale)
        case Int():
            return hp.Int(name, domain.low, domain.high, sampling=domain.scale)
        case Choice():
            return hp.Choice(name, list(domain.values))
    raise TypeError(f"{name} is {domain!r}, which no part has")
