"""How a run is carried out: the same names in `Study(...)`, in `launch(...)` and on the command line."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import floor, isfinite
from numbers import Integral, Real
from typing import Any

from orchestrator import samplers, stoppers
from orchestrator.errors import UserError, nearest

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
RAY_PRECISION = 10_000
"""Ray counts resources in ten-thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`None` means no limit, or that the cluster decides. Durations are in seconds."""

    trials: int | None = 40
    epochs: int = 27
    sampler: str = "random"
    stopper: str = "asha"
    seed: int = 0
    workers: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    address: str | None = None
    run_dir: str | None = None
    max_time: float | None = None
    target: float | None = None
    checkpoint_every: float = 60.0


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
    given = {name: value for layer in layers for name, value in layer.items()}
    values: dict[str, Any] = {}
    problems = [f"there is no setting '{name}'{nearest(name, CHECKS)}" for name in given if name not in CHECKS]
    for name, check in CHECKS.items():
        if name in given:
            try:
                values[name] = check(given[name])
            except ValueError as wrong:
                problems.append(f"{name} is {given[name]!r}: {wrong}")
    settings = Settings(**values)
    if settings.trials is None and settings.max_time is None and settings.target is None:
        problems.append("the run would never end: give at least one of trials, max_time and target")
    return settings, problems


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


def _one_of(known: Collection[str]) -> Check:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in known:
            return value
        raise ValueError(f"use one of {', '.join(sorted(known))}{nearest(str(value), known)}")

    return check


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
    "sampler": _one_of(samplers.SAMPLERS),
    "stopper": _one_of(stoppers.STOPPERS),
    "seed": _whole(0, bits=64),
    "workers": _or_none(_whole(1)),
    "cpus_per_trial": _share(least=1, what="CPUs"),
    "gpus_per_trial": _share(least=0, what="GPUs"),
    "address": _or_none(_text),
    "run_dir": _or_none(_path),
    "max_time": _or_none(_duration),
    "target": _or_none(_finite),
    "checkpoint_every": _duration,
}
