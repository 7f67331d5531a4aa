"""Coarse to fine: first the whole space at random, then, round by round, ever closer to the best trials.

The `first` trials, a fifth of them and at least sixteen unless given, are drawn from the whole space as random search
does. The others make `rounds` equal rounds: the root of half their number, unless given. From round to round the reach
(see narrowing.py, where the rules are) shrinks by the same factor, from 0.8 of each hyperparameter's scale to 0.3.
Without a limit to the trials, the numbers are those of eight trials for each hyperparameter and eight more, and the
last round is repeated from then on.
"""

from orchestrator import specs
from orchestrator.samplers.narrowing import NarrowingSampler, Round, shrinking, usual_trials
from search_spaces import Space

FIRST = 0.2
LEAST_FIRST = 16


class ZoomSampler(NarrowingSampler):
    def __init__(
        self,
        space: Space,
        seed: int,
        trials: int | None = None,
        repeats: bool = False,
        *,
        first: int | None = None,
        rounds: int | None = None,
    ) -> None:
        super().__init__(space, seed, trials, repeats)
        total = trials or usual_trials(space)
        if first is None:
            first = max(round(FIRST * total), LEAST_FIRST)
        specs.whole("first", first, 1)
        if rounds is not None:
            specs.whole("rounds", rounds, 1)
        self.plan = [Round(0, "everywhere", 1.0), *shrinking("round", first, total, rounds)]
