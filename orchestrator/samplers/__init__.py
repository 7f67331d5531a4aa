"""How the next configuration is chosen, by name."""

from collections.abc import Callable

from orchestrator.errors import UserError, nearest
from orchestrator.samplers.base import Exhausted, Sampler
from orchestrator.samplers.random import RandomSampler
from search_spaces import Space

SAMPLERS: dict[str, Callable[[Space, int], Sampler]] = {"random": RandomSampler}

__all__ = ["SAMPLERS", "Exhausted", "Sampler", "make_sampler"]


def make_sampler(name: str, space: Space, seed: int) -> Sampler:
    if name not in SAMPLERS:
        raise UserError(f"there is no sampler '{name}'{nearest(name, SAMPLERS)} (known: {', '.join(sorted(SAMPLERS))})")
    return SAMPLERS[name](space, seed)
