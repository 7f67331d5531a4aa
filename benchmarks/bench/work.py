"""What a contestant is given, what it hands back, and the notes that its processes take meanwhile."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

Configuration = dict[str, Any]
Kind = Literal["nothing", "betas", "shapes", "cnn"]
Stopper = Literal["none", "asha"]
OBJECTIVE = "val_accuracy"


@dataclass(frozen=True)
class Work:
    """So many trials. Where there are configurations, those, in this order; else each contestant samples its own."""

    kind: Kind
    trials: int
    epochs: int
    workers: int
    configurations: Sequence[Configuration] = ()
    stopper: Stopper = "none"
    target: float | None = None
    """The run may end when a trial has reported this."""
    seed: int = 0
    """Of ours, for initial weights too; another in each round, or all rounds would share their luck."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def number_of(self, configuration: Mapping[str, Any]) -> int:
        """The place of a configuration in the list, whose trials may come in another order.

        Raises:
            ValueError: It is not in the list.
        """
        return [*self.configurations].index({name: configuration[name] for name in self.configurations[0]})


@dataclass(frozen=True)
class Report:
    at: float
    """Seconds since 1970, as whoever counts this contestant's trials heard of it."""
    trial: int
    value: float


@dataclass(frozen=True)
class Outcome:
    reports: list[Report]
    ends: list[float]
    processes: int
    """How many trained."""
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds of all workers by activity, from the first report until nothing is left to start; if it is told."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**found | {"reports": [Report(**report) for report in found["reports"]]})


class Notes:
    """What a process that trains by itself writes down: a line for each report and for each trial's end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}.notes"

    def report(self, trial: int, value: float) -> None:
        self._write([time.time(), trial, float(value)])

    def end(self) -> None:
        self._write([time.time()])

    def _write(self, line: list[float]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


def gathered(folder: Path) -> Outcome:
    """The notes of all processes."""
    files = sorted(folder.glob("*.notes"))
    lines = sorted(json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines())
    return Outcome(
        reports=[Report(*line) for line in lines if len(line) == 3],
        ends=[line[0] for line in lines if len(line) == 1],
        processes=len(files),
    )
