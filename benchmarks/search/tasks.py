"""Recorded curves, as the replay and the figures want them: larger is better, costs summed up.

Format of a file: `task` [T], `value` [T, C, E] (the metric after epoch 1 … E; NaN = diverged or aborted), `seconds`
[T, C, E] (what each epoch costs; NaN where the run had aborted; absent = 1), `direction` ("max" or "min"), `metric`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RECORDED = Path(__file__).parents[1] / "recorded"
TRAININGS = 100
"""The budget of every run: so many full trainings of mean cost, by all workers together."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    name: str
    direction: str
    value: Floats
    """[C, E] as recorded."""
    elapsed: Floats
    """[C, E + 1]: the cost of a row's first 0 … E epochs; what was aborted costs nothing after its first NaN second."""
    score: Floats
    """[C, E]: the best so far, turned so that larger is better; nothing counts from a row's first NaN on."""

    @property
    def rows(self) -> int:
        return len(self.value)

    @property
    def epochs(self) -> int:
        return int(self.value.shape[1])

    @property
    def maximum(self) -> Floats:
        """[C]: the best score that each row ever has; -inf where it has none."""
        best: Floats = self.score[:, -1]
        return best

    @property
    def best(self) -> float:
        return float(self.maximum.max())

    @property
    def scale(self) -> float:
        """The unit of regret: from the median row's best score to the best of all."""
        known = self.maximum[np.isfinite(self.maximum)]
        return float(self.best - np.median(known)) or 1.0

    def budget(self, workers: int) -> float:
        return float(TRAININGS * self.elapsed[:, -1].mean() / workers)

    def turned(self, value: float) -> float:
        return value if self.direction == "max" else -value


@dataclass(frozen=True, eq=False)
class CurveFile:
    name: str
    path: Path
    tasks: tuple[Task, ...]
    digest: str

    @property
    def reported(self) -> tuple[Task, ...]:
        """Choices are made on tasks 0, 2, 4 …; these are the others. The only task of a file was never chosen on."""
        return self.tasks[1::2] if len(self.tasks) > 1 else self.tasks

    @property
    def chosen_on(self) -> tuple[Task, ...]:
        return self.tasks[0::2] if len(self.tasks) > 1 else ()


def read_curves(path: Path, name: str = "") -> CurveFile:
    with np.load(path, allow_pickle=False) as file:
        known: dict[str, Any] = {key: file[key] for key in file.files}
    value = known["value"].astype(float)
    seconds = known["seconds"].astype(float) if "seconds" in known else np.ones_like(value)
    direction = str(known["direction"])
    tasks = tuple(_task(str(task), direction, value[place], seconds[place]) for place, task in enumerate(known["task"]))
    return CurveFile(name or path.stem, path, tasks, hashlib.sha256(path.read_bytes()).hexdigest()[:12])


def _task(name: str, direction: str, value: Floats, seconds: Floats) -> Task:
    cost = np.where(np.isnan(np.cumsum(seconds, axis=1)), 0.0, seconds)
    elapsed = np.concatenate([np.zeros((len(cost), 1)), np.cumsum(cost, axis=1)], axis=1)
    turned = value if direction == "max" else -value
    alive = np.logical_and.accumulate(np.isfinite(value), axis=1)
    score = np.maximum.accumulate(np.where(alive, turned, -np.inf), axis=1)
    return Task(name, direction, value, elapsed, score)


def without_first_epoch(file: CurveFile, folder: Path) -> CurveFile:
    """The same tasks from epoch 2 on, as a file of its own."""
    path = folder / f"{file.name}_without_epoch_1.npz"
    if not path.exists():
        with np.load(file.path, allow_pickle=False) as known:
            arrays = {key: known[key] for key in known.files}
        arrays |= {key: arrays[key][:, :, 1:] for key in ("value", "seconds") if key in arrays}
        np.savez_compressed(path, allow_pickle=False, **arrays)
    return read_curves(path, f"{file.name} without epoch 1")
