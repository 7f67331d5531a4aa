"""When a trial pauses or stops, by name."""

import re
from collections.abc import Callable

from orchestrator import specs
from orchestrator.objective import Objective
from orchestrator.stoppers.adaptive import Adaptive
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.asha_stop import AshaStop
from orchestrator.stoppers.base import Promotion, Stopper, Verdict
from orchestrator.stoppers.composite import Composite
from orchestrator.stoppers.halving import Halving
from orchestrator.stoppers.hyperband import Hyperband
from orchestrator.stoppers.median import Median
from orchestrator.stoppers.patience import Patience

STOPPERS: dict[str, Callable[..., Stopper]] = {
    "none": Stopper,
    "adaptive": Adaptive,
    "asha": Asha,
    "asha_stop": AshaStop,
    "halving": Halving,
    "hyperband": Hyperband,
    "median": Median,
    "patience": Patience,
}

__all__ = ["STOPPERS", "Promotion", "Stopper", "Verdict", "make_stopper"]

PLUS = re.compile(r"\+(?!\s*\d)")
"""Between two stoppers; that of 1e+3 belongs to a number."""


def make_stopper(text: str, max_epochs: int, objective: Objective, trials: int | None = None) -> Stopper:
    """The stopper that a text such as `asha:eta=4,grace=3+patience:5` describes.

    `trials` is the run's limit, if it has one.

    Raises:
        ValueError: With the fix.
    """
    parts: dict[str, Stopper] = {}
    for part in PLUS.split(text):
        spec = specs.read(part, STOPPERS)
        if spec.name in parts:
            raise ValueError(f"{spec.name} stands there twice: leave one of them out")
        parts[spec.name] = spec.make(max_epochs, objective, trials)
    if len(parts) == 1:
        return next(iter(parts.values()))
    return Composite(parts, max_epochs, objective, trials)
