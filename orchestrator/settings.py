"""How a run is carried out: the same names in `Study(...)`, in `launch(...)` and on the command line."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, isfinite
from numbers import Integral, Real
from typing import Any, Literal

from orchestrator import samplers, stoppers
from orchestrator.errors import UserError, nearest
from orchestrator.objective import Objective

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m|g|t)?b?", re.IGNORECASE)
SIZES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, None: 1}
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
LIMITS = ("trials", "max_time", "max_epochs_total", "gpu_hours", "target")
MOST_GPUS = 8
RAY_PRECISION = 10_000
"""Ray counts resources in ten-thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`None` means no limit, or that the cluster decides. Durations are in seconds, sizes in bytes."""

    trials: int | None = 40
    epochs: int = 27
    sampler: str = "zoom"
    points: str | None = None
    repeats: bool = False
    stopper: str = "adaptive"
    seed: int = 0
    workers: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | Literal["auto"] = 0.0
    accelerator: str | None = None
    node_label: dict[str, str] | None = None
    address: str | None = None
    run_dir: str | None = None
    max_time: float | None = None
    max_epochs_total: int | None = None
    gpu_hours: float | None = None
    target: float | None = None
    finish_best: int = 0
    repeat_best: int = 0
    max_failures: int | None = None
    retries: int = 2
    trial_timeout: float | None = None
    stall_timeout: float | Literal["auto"] | None = "auto"
    deterministic: bool = False
    loop: Literal["auto", "fit"] = "auto"
    checkpoint_every: float = 60.0
    keep: int = 3
    checkpoint_bytes: int | None = None
    memory_per_trial: int | None = None
    storage: str | None = None
    storage_every: float = 60.0
    dashboard_host: str | None = None

    @property
    def gpus(self) -> float:
        """For each trial; with `auto` a whole one, until it is known."""
        return 1.0 if self.gpus_per_trial == "auto" else self.gpus_per_trial


DEFAULTS = Settings()


def resolve(*layers: Mapping[str, Any]) -> Settings:
    """The settings of a run: the defaults, then each layer over those before it.

    Raises:
        UserError: With a line for each thing that is wrong.
    """
    settings, problems = _resolved(layers)
    if problems:
        raise UserError("\n".join(problems))
    return settings


def problems_of(*layers: Mapping[str, Any]) -> list[str]:
    """What `resolve` would complain of, a line each."""
    return _resolved(layers)[1]


def _resolved(layers: tuple[Mapping[str, Any], ...]) -> tuple[Settings, list[str]]:
    given: dict[str, Any] = {}
    for layer in layers:
        if "sampler" in layer:
            given.pop("points", None)  # They were for the grid of another layer.
        given |= layer
    values: dict[str, Any] = {}
    problems = [f"there is no setting '{name}'{nearest(name, CHECKS)}" for name in given if name not in CHECKS]
    for name, check in CHECKS.items():
        if name in given:
            try:
                values[name] = check(given[name])
            except ValueError as wrong:
                problems.append(f"{name} is {given[name]!r}: {wrong}")
    settings = Settings(**values)
    problems += _contradictions(settings)
    return settings, problems


def _contradictions(settings: Settings) -> Iterator[str]:
    """What is wrong with settings that are each right by themselves."""
    if all(getattr(settings, limit) is None for limit in LIMITS):
        yield f"the run would never end: give at least one of {', '.join(LIMITS)}"
    if settings.gpu_hours is not None and settings.gpus_per_trial == 0:
        yield f"gpu_hours is {settings.gpu_hours:g}, but trials use no GPU: give gpus_per_trial, or max_time instead"
    if settings.accelerator is not None and settings.gpus_per_trial == 0:
        yield f"accelerator is {settings.accelerator!r}, but trials use no GPU: give gpus_per_trial, or leave it out"
    if settings.points is not None and settings.sampler.strip().partition(":")[0] != "grid":
        yield f"points is {settings.points!r}, but the sampler is {settings.sampler!r}: use 'grid', or leave points out"


# Each check returns the value in its final type, or raises ValueError with the fix.

Check = Callable[[Any], Any]


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _whole(least: int, bits: int | None = None) -> Check:
    limit = f" that fits in {bits} bits" if bits else ""

    def check(value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number) or number < least or (bits and number >= 2**bits):
            raise ValueError(f"use a whole number of at least {least}{limit}")
        return int(value)

    return check


def _share(*, least: int, what: str) -> Check:
    """Of CPUs or GPUs: whole, or a part of one, which is rounded down so that as many fit as were meant to."""

    def check(value: Any) -> float:
        number = _number(value)
        parts = 0 if number is None else floor(number * RAY_PRECISION + 1e-6)
        if number is None or parts < least or 0 < number < 1 / RAY_PRECISION or (number > 1 and number != int(number)):
            raise ValueError(f"use a whole number of {what}, or a part of one of at least {1 / RAY_PRECISION:g}")
        return parts / RAY_PRECISION

    return check


def _gpus(value: Any) -> float | str:
    if value == "auto":
        return "auto"
    try:
        gpus: float = _share(least=0, what="GPUs")(value)
    except ValueError as wrong:
        raise ValueError(f"{wrong}, or auto") from None
    if gpus > MOST_GPUS:
        raise ValueError(f"use at most {MOST_GPUS}: a trial trains on one node")
    return gpus


def _labels(value: Any) -> dict[str, str]:
    """Of nodes: {"key": "value"}, or "key=value", or several of these."""
    if isinstance(value, Mapping):
        pairs = [(key, wanted) for key, wanted in value.items()]
    else:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and "=" in text for text in texts):
            raise ValueError("use key=value, or in Python a dict of them")
        pairs = [text.split("=", 1) for text in texts]
    if not pairs or not all(isinstance(part, str) and part.strip() for pair in pairs for part in pair):
        raise ValueError("use key=value, or in Python a dict of them")
    return {key.strip(): wanted.strip() for key, wanted in pairs}


def _sampler(value: Any) -> str:
    samplers.check_sampler(_text(value))
    return str(value)


def _stopper(value: Any) -> str:
    stoppers.make_stopper(_text(value), DEFAULTS.epochs, Objective("", "max"))
    return str(value)


def _points(value: Any) -> str:
    """For a grid: a number for all, others by name; a dict means the same."""
    if isinstance(value, Mapping):
        value = ",".join(f"{name}={number}" for name, number in value.items())
    text = str(value) if _number(value) is not None else _text(value)
    samplers.read_points(text)
    return text


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("use True or False")
    return value


def _above_zero(value: Any) -> float:
    number = _number(value)
    if number is None or number <= 0:
        raise ValueError("use a number above 0")
    return float(number)


def _finite(value: Any) -> float:
    if (number := _number(value)) is None:
        raise ValueError("use a finite number")
    return float(number)


def _duration(value: Any) -> float:
    seconds = _number(value)
    if isinstance(value, str) and (match := DURATION.fullmatch(value.strip())):
        seconds = _number(float(match[1]) * SECONDS[match[2]])
    if seconds is None or seconds <= 0:
        raise ValueError("use a time above 0, in seconds or such as 90s, 10m, 1.5h or 2d")
    return float(seconds)


def _stall_timeout(value: Any) -> float | str | None:
    if value is None or value in ("auto", "none"):
        return None if value == "none" else value
    try:
        return _duration(value)
    except ValueError as wrong:
        raise ValueError(f"{wrong}; or auto, or none") from None


def _size(value: Any) -> int:
    size = _number(value)
    if isinstance(value, str) and (match := BYTES.fullmatch(value.strip())):
        size = _number(float(match[1]) * SIZES[match[2] and match[2].lower()])
    if size is None or size < 1:
        raise ValueError("use a number of bytes above 0, or such as 500MB, 4GB or 1.5TB")
    return int(size)


def _loop(value: Any) -> str:
    if value not in ("auto", "fit"):
        raise ValueError("use auto, or fit for Keras's own loop, batch by batch")
    return str(value)


def _path(value: Any) -> str:
    return _text(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("use a text that is not empty, or leave it out")
    return value


def _number(value: Any) -> float | None:
    """None for what is no finite number. True is none, although Python counts it as 1; NumPy's numbers are."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    return number if isfinite(number) else None


CHECKS: dict[str, Check] = {
    "trials": _or_none(_whole(1)),
    "epochs": _whole(1),
    "sampler": _sampler,
    "points": _or_none(_points),
    "repeats": _flag,
    "stopper": _stopper,
    "seed": _whole(0, bits=64),
    "workers": _or_none(_whole(1)),
    "cpus_per_trial": _share(least=1, what="CPUs"),
    "gpus_per_trial": _gpus,
    "accelerator": _or_none(_text),
    "node_label": _or_none(_labels),
    "address": _or_none(_text),
    "run_dir": _or_none(_path),
    "max_time": _or_none(_duration),
    "max_epochs_total": _or_none(_whole(1)),
    "gpu_hours": _or_none(_above_zero),
    "target": _or_none(_finite),
    "finish_best": _whole(0),
    "repeat_best": _whole(0),
    "max_failures": _or_none(_whole(1)),
    "retries": _whole(0),
    "trial_timeout": _or_none(_duration),
    "stall_timeout": _stall_timeout,
    "deterministic": _flag,
    "loop": _loop,
    "checkpoint_every": _duration,
    "keep": _whole(1),
    "checkpoint_bytes": _or_none(_size),
    "memory_per_trial": _or_none(_size),
    "storage": _or_none(_path),
    "storage_every": _duration,
    "dashboard_host": _or_none(_text),
}
