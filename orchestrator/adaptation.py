"""How a sampler or a stopper changes its own course."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Adaptation:
    """New settings of its own, in plain JSON, and why. It stands in the journal, so that it is never decided twice."""

    settings: dict[str, Any]
    reason: str
