"""How the next configuration is chosen, by name."""

from collections.abc import Callable

from orchestrator import specs
from orchestrator.samplers.base import Exhausted, Sampler
from orchestrator.samplers.grid import GridSampler
from orchestrator.samplers.optuna import OptunaSampler
from orchestrator.samplers.random import RandomSampler
from orchestrator.samplers.sobol import SobolSampler
from orchestrator.samplers.staged import StagedSampler
from orchestrator.samplers.zoom import ZoomSampler
from search_spaces import Space

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "random": RandomSampler,
    "grid": GridSampler,
    "sobol": SobolSampler,
    "staged": StagedSampler,
    "zoom": ZoomSampler,
    "optuna": OptunaSampler,
}

MOST_POINTS = 10_000
"""Of a hyperparameter in a grid."""

__all__ = ["SAMPLERS", "Exhausted", "Sampler", "check_sampler", "make_sampler", "read_points"]


def check_sampler(text: str) -> None:
    """ValueError, with the fix, for what names no sampler."""
    _read(text)


def read_points(text: str) -> dict[str, int]:
    """The options of a grid in a text such as `5` or `5,learning_rate=9`.

    Raises:
        ValueError: With the fix.
    """
    return _read(f"grid:{text}").options


def _read(text: str) -> specs.Spec:
    spec = specs.read(text, SAMPLERS)
    if spec.kind is GridSampler:
        huge = [name for name, value in spec.options.items() if specs.whole(name, value, 1) > MOST_POINTS]
        if huge:
            raise ValueError(f"use at most {MOST_POINTS:,} for {', '.join(huge)}")
    return spec


def make_sampler(
    text: str,
    space: Space,
    seed: int,
    trials: int | None = None,
    repeats: bool = False,
    *,
    points: str | None = None,
) -> Sampler:
    """The sampler that a text such as `optuna:tpe` describes; `points` go before those that the text of a grid gives.

    Raises:
        ValueError: With the fix.
    """
    spec = _read(text)
    options = spec.options | ({} if points is None else read_points(points))
    sampler: Sampler = spec.kind(space, seed, trials, repeats, **options)
    return sampler
