"""How a run is carried out: the same names in `Study(...)`, in `launch(...)` and on the command line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from orchestrator import samplers, stoppers
from orchestrator.errors import UserError, nearest

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


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
