"""When a trial pauses or stops, by name."""

from collections.abc import Callable

from orchestrator.errors import UserError, nearest
from orchestrator.objective import Objective
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.base import Promotion, Stopper, Verdict
from orchestrator.stoppers.median import Median

STOPPERS: dict[str, Callable[[int, Objective], Stopper]] = {"none": Stopper, "asha": Asha, "median": Median}

__all__ = ["STOPPERS", "Promotion", "Stopper", "Verdict", "make_stopper"]


def make_stopper(name: str, max_epochs: int, objective: Objective) -> Stopper:
    if name not in STOPPERS:
        raise UserError(f"there is no stopper '{name}'{nearest(name, STOPPERS)} (known: {', '.join(sorted(STOPPERS))})")
    return STOPPERS[name](max_epochs, objective)
