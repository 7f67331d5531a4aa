"""Recorded learning curves.

An `.npz` file of curves has the arrays

    task [T], metric, direction ("max" or "min")
    value [T, C, E]     the metric after each epoch; NaN: the training diverged, or was aborted, in that epoch
    seconds [T, C, E]   what each epoch took, NaN where the training had been aborted; one unit an epoch where absent
    hp_names [H], hp [C, H]                           the configurations, one a row
    hp_low, hp_high, hp_scale, hp_integer [H]         the space they were drawn from, where that is known

An aborted curve costs nothing from its first NaN second on. What one full training costs is the sum of its seconds,
also where its value became NaN before the end.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError, nearest
from orchestrator.objective import Objective
from search_spaces import Domain, Fixed, Float, Int, Space, SpaceError

Floats = NDArray[np.float64]
NEEDED = {"task": 1, "hp_names": 1, "hp": 2, "value": 3, "direction": 0, "metric": 0}
"""With the number of their dimensions."""
LONGEST = 1e12
"""Seconds that an epoch can take."""
PER_HYPERPARAMETER = ("hp_low", "hp_high", "hp_scale", "hp_integer")


@dataclass(frozen=True)
class Rows:
    """The configurations that have a curve, and the space they are from."""

    space: Space
    configurations: list[Configuration]

    @cached_property
    def units(self) -> Floats:
        """[C, H]: each configuration as a point of the unit cube; NaN where a hyperparameter is not active."""
        return np.array([units_of(self.space, configuration) for configuration in self.configurations])


def units_of(space: Space, configuration: Configuration) -> list[float]:
    return [space[name].to_unit(configuration[name]) if name in configuration else float("nan") for name in space]


@dataclass(frozen=True, eq=False)
class Curves:
    """Of T tasks, C configurations and up to E epochs."""

    tasks: list[str]
    objective: Objective
    value: Floats
    """[T, C, E], as reported. NaN: diverged in that epoch."""
    seconds: Floats
    """[T, C, E], all of them finite."""
    full_seconds: Floats
    """[T, C]: what one training to the last epoch costs."""
    rows: Rows | str
    """Or why there is no space to search in."""
    lengths: NDArray[np.int64] | None = None
    """[C]: the epochs that are recorded, where they are fewer than E: there the training ends by itself."""
    start_cost: Floats | None = None
    """[C]: the seconds before the first epoch of each row, where they are recorded."""
    resume_cost: float = 0.0
    """The seconds before a paused trial goes on from its checkpoint."""
    note: str = ""
    """What to know about them."""

    @property
    def epochs(self) -> int:
        return int(self.value.shape[2])

    def task_number(self, name: str) -> int:
        if name not in self.tasks:
            raise UserError(f"there is no task '{name}'{nearest(name, self.tasks)} (tasks: {', '.join(self.tasks)})")
        return self.tasks.index(name)

    def full_cost(self, task: int) -> float:
        """The mean of what one training to the last epoch costs."""
        return float(self.full_seconds[task].mean())

    def best(self, task: int) -> float:
        """The best value of all epochs of all configurations."""
        finite = self.value[task][np.isfinite(self.value[task])]
        return float(finite.max() if self.objective.direction == "max" else finite.min())


def read_npz(path: Path) -> Curves:
    """The curves of a file.

    Raises:
        UserError: In one line: the file is missing, is no such file, or does not hold what it should.
    """
    arrays = _loaded(path)
    try:
        return _curves(arrays)
    except _Malformed as problem:
        raise UserError(f"{path}: {problem}") from None


class _Malformed(Exception):
    """What is wrong with the content of a file."""


def _loaded(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise UserError(f"{path}: not an .npz file (see 'simulate --help' for what it must hold)")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            if strange := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
                raise UserError(f"{path}: {strange[0]} in it is no array (see 'simulate --help' for what it must hold)")
            return {name: _as_text(array) for name, array in arrays.items()}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (BadZipFile, ValueError, EOFError, KeyError, NotImplementedError) as error:
        raise UserError(f"{path}: a damaged .npz file, or one that is not of plain arrays ({error})") from None
    except MemoryError:
        raise UserError(f"{path}: its arrays are larger than this machine's memory") from None


def _curves(arrays: dict[str, NDArray[Any]]) -> Curves:
    if missing := [name for name in NEEDED if name not in arrays]:
        raise _Malformed(f"no array called {', '.join(missing)} (it has: {', '.join(arrays) or 'none'})")
    for name, dimensions in NEEDED.items():
        if arrays[name].ndim != dimensions:
            raise _Malformed(f"{name} has shape {_shape(arrays[name])}: it needs {dimensions} dimensions")
    tasks = [str(task) for task in arrays["task"]]
    value = _numbers("value", arrays["value"])
    hp = _numbers("hp", arrays["hp"])
    wanted = (len(tasks), len(hp), value.shape[2])
    if value.shape != wanted or 0 in wanted:
        raise _Malformed(
            f"value has shape {_shape(value)}: with {len(tasks)} tasks and {len(hp)} rows of hp it must be "
            f"({len(tasks)}, {len(hp)}, epochs), none of them 0"
        )
    if len(set(tasks)) < len(tasks):
        raise _Malformed("task names a task twice")
    if len(arrays["hp_names"]) != hp.shape[1]:
        raise _Malformed(f"hp has {hp.shape[1]} columns and hp_names {len(arrays['hp_names'])} names")
    direction = str(arrays["direction"])
    if direction not in ("max", "min"):
        raise _Malformed(f"direction is '{direction}': it must be max or min")
    for task, values in zip(tasks, value, strict=True):
        if not np.isfinite(values).any():
            raise _Malformed(f"value holds no number at all for task {task}")
    seconds = _seconds(arrays.get("seconds"), value)
    objective = Objective(str(arrays["metric"]), "max" if direction == "max" else "min")
    curves = Curves(tasks, objective, value, seconds, seconds.sum(axis=2), _rows(arrays, hp))
    for number, task in enumerate(tasks):
        if not (seconds[number, :, 0] > 0).any():
            raise _Malformed(f"no first epoch of task {task} takes any time, so no budget would ever be spent")
    return curves


def _as_text(array: NDArray[Any]) -> NDArray[Any]:
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def _numbers(name: str, array: NDArray[Any]) -> Floats:
    if array.dtype.kind not in "fiu":
        raise _Malformed(f"{name} is of type {array.dtype}: it must be numbers")
    return array.astype(np.float64)


def _flags(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise _Malformed(f"{name} is of type {array.dtype}: it must be true or false, or 1 or 0")
    return array


def _seconds(given: NDArray[Any] | None, value: Floats) -> Floats:
    if given is None:
        return np.ones_like(value)
    seconds = _numbers("seconds", given)
    if seconds.shape != value.shape:
        raise _Malformed(f"seconds has shape {_shape(seconds)} and value {_shape(value)}: they must be the same")
    aborted = np.maximum.accumulate(np.isnan(seconds), axis=2)
    seconds = np.where(aborted, 0.0, seconds)
    if not ((seconds <= LONGEST) & (seconds >= 0)).all():
        raise _Malformed(f"seconds holds numbers below 0 or above {LONGEST:g}")
    return seconds


def _shape(array: NDArray[Any]) -> str:
    return str(tuple(array.shape))


# The space.


def _rows(arrays: dict[str, NDArray[Any]], hp: Floats) -> Rows | str:
    """The space as recorded; where it is not, the range of each column on the linear scale."""
    names = [str(name) for name in arrays["hp_names"]]
    if len(set(names)) < len(names):
        raise _Malformed("hp_names names a hyperparameter twice")
    for name in PER_HYPERPARAMETER:
        if name in arrays and arrays[name].shape != (len(names),):
            raise _Malformed(f"{name} has shape {_shape(arrays[name])}: it must be ({len(names)},), one for each name")
    if not np.isfinite(hp).all():
        return "hp holds NaN or infinity"
    low = _numbers("hp_low", arrays.get("hp_low", hp.min(axis=0))).tolist()
    high = _numbers("hp_high", arrays.get("hp_high", hp.max(axis=0))).tolist()
    if not np.isfinite([low, high]).all():
        return "hp_low or hp_high holds NaN or infinity"
    scales = [str(scale) for scale in arrays.get("hp_scale", np.full(len(names), "linear"))]
    whole = [bool(one) for one in _flags("hp_integer", arrays.get("hp_integer", np.zeros(len(names), bool)))]
    try:
        domains = {name: _domain(*of) for name, *of in zip(names, low, high, scales, whole, strict=True)}
        space = Space(domains)
    except SpaceError as error:
        return " ".join(str(error).split("\n"))
    return Rows(space, [_configuration(space, row) for row in np.clip(hp, low, high).tolist()])


def _domain(low: float, high: float, scale: str, whole: bool) -> Domain:
    if low == high:
        return Fixed(round(low) if whole else low)
    return Int(round(low), round(high), scale) if whole else Float(low, high, scale)


def _configuration(space: Space, row: list[float]) -> Configuration:
    domains = [space[name] for name in space]
    values = zip(space, domains, row, strict=True)
    return {name: round(value) if isinstance(domain, Int) else value for name, domain, value in values}
