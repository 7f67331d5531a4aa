"""The configurations of trials to come: given, drawn at once, or asked of a slow sampler ahead of need."""

from collections.abc import Sequence

from orchestrator.assignment import Assignment, Configuration
from orchestrator.draws import training_seed
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.instructions import Propose
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.state import State

AHEAD = 1
"""A slow sampler is asked for so many configurations more than there are idle workers."""


def configuration(number: int, state: State, sampler: Sampler, start: Sequence[Configuration]) -> Configuration | None:
    """Of the sampler's draw with this number; None while a slow sampler thinks.

    Raises:
        Exhausted: There is none.
    """
    if number < len(start):
        return start[number]
    if not sampler.slow:
        return sampler.configuration(number)
    if number not in state.proposals and state.sampler_exhausted is not None:
        raise Exhausted(state.sampler_exhausted)
    return state.proposals.get(number)


def proposal(state: State, sampler: Sampler, limits: Limits, start: Sequence[Configuration]) -> Propose | None:
    """A slow sampler is asked for every idle worker, and ahead of need."""
    if not sampler.slow or state.sampler_exhausted is not None:
        return None
    if state.drawn < len(start):
        return None  # What it knows begins with those.
    on_the_way = len(state.proposing) + len(state.proposals)
    numbers = range(state.drawn, state.drawn + on_the_way + 1)
    number = next(n for n in numbers if n not in state.proposing and n not in state.proposals)
    if on_the_way >= len(state.idle) + AHEAD or not limits.allow(number):
        return None
    return Propose(number=number)


def assignment(
    state: State,
    seed: int,
    configuration: Configuration,
    to_epoch: int,
    max_epochs: int,
    keep_above: float | None,
    repeat_of: int | None,
) -> Assignment:
    """The first one of the trial that begins next."""
    number = len(state.trials)
    return Assignment(
        trial=number,
        attempt=1,
        configuration=configuration,
        seed=training_seed(seed, number),
        after_epoch=0,
        to_epoch=to_epoch,
        max_epochs=max_epochs,
        repeat_of=repeat_of,
        keep_above=keep_above,
    )
