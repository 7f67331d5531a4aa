"""Samplers that look where the best trials were, over a smaller part of the space each round.

A plan says, for each round, what becomes of each hyperparameter: it is drawn near the best trials, or anew (from the
whole domain), or stays at its default.

- A round begins with a trial's number, whatever the trials before it are doing: no worker ever waits. What is known
  counts as of the first moment from then on at which a worker becomes free; until that, and while nothing has a score,
  the trials go by the round before, and what was not narrowed yet is drawn anew.
- The best are ranked by their best score so far, those that still train or were stopped early too: a score is what a
  trial has shown, and training on can only raise it. Ties go to the lower number. What failed or diverged does not
  count. Of the n that have a score, the best min(4, ceil(n / 4)) are drawn near to, the first twice as often as the
  second, that twice as often as the third, … Trials are near one of them in all hyperparameters at once, because what
  suits a learning rate is a batch size that goes with it, not the batch sizes of the others.
- Near means within `reach` (see vicinity.py). What is inactive in that trial is drawn anew.
- The reach shrinks from round to round, but not for a hyperparameter whose best value lies at the edge of where the
  last round looked (its outer tenth on that side): the box moves there at its full size. Where the best two values
  lie at a bound of the domain, the reason of the adaptation says so.
- What the constraints refuse or a trial has had is drawn again; after 100 times as random search would.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log2, sqrt
from operator import attrgetter
from typing import Any

from numpy.random import Generator

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.ranking import Ranking
from orchestrator.samplers import vicinity
from orchestrator.samplers.base import Exhausted
from orchestrator.samplers.random import RandomSampler
from search_spaces import Fixed, Space, SpaceError

WIDEST, NARROWEST = 0.8, 0.3
"""The reach in the first and the last of the rounds that shrink."""
MOST_BEST = 4
MOST_ROUNDS = 1000
REDRAWS = 100


@dataclass(frozen=True, slots=True)
class Round:
    begins: int
    """With the trial of this number."""
    name: str
    reach: float
    """Of all that is drawn near the best."""
    anew: Sequence[str] = ()
    """Drawn from their whole domains."""
    at_default: Sequence[str] = ()


def dimensions(space: Space) -> list[str]:
    """The hyperparameters there are to tune."""
    return [name for name, domain in space.items() if not isinstance(domain, Fixed)]


def usual_trials(space: Space) -> int:
    """What a plan is made for where the trials have no limit."""
    return 8 * (len(dimensions(space)) + 1)


def shrinking(name: str, begins: int, ends: int, rounds: int | None = None) -> list[Round]:
    """Rounds of equal size near the best, each closer than the last by the same factor.

    The more trials, the more rounds: a few more than those of one round are known when the next begins.
    """
    trials = max(ends - begins, 1)
    count = rounds or min(max(1, round(sqrt(trials / 2))), MOST_ROUNDS)
    factor = (NARROWEST / WIDEST) ** (1 / max(1, count - 1))
    return [
        Round(begins + place * trials // count, f"{name} {place + 1} of {count}", WIDEST * factor**place)
        for place in range(count)
    ]


class NarrowingSampler(RandomSampler):
    """Draws by a plan: the rounds in their order, the last of which is repeated as long as there are trials."""

    plan: Sequence[Round]

    def __init__(self, space: Space, seed: int, trials: int | None = None, repeats: bool = False) -> None:
        super().__init__(space, seed, trials, repeats)
        self._ranking = Ranking()
        self._configurations: dict[int, Configuration] = {}
        self._next = 0
        self._freed = False
        """Whether a worker has become free since the last trial began."""
        self._round = 0
        self._around: list[Configuration] = []
        self._reach: dict[str, float] = {}

    # Asked.

    def configuration(self, trial: int) -> Configuration:
        _, now = self._round_of(trial)
        try:
            for redraw in range(REDRAWS):
                configuration = self._near(now, generator(self.seed, trial, Purpose.CONFIGURATION, redraw))
                if not self.space.refused_by(configuration) and self.is_new(configuration):
                    return configuration
        except SpaceError as error:
            raise Exhausted(str(error)) from error
        return super().configuration(trial)

    def adaptation(self) -> Adaptation | None:
        if not self._freed or (self.trials is not None and self._next >= self.trials):
            return None
        number, now = self._round_of(self._next)
        if number <= self._round or not self._ranking:
            return None
        few = min(MOST_BEST, -(-len(self._ranking) // 4))
        best = [trial for _, trial in self._ranking[:few]]
        around = [self._configurations[trial] for trial in best]
        reach = self._reaches(now, around[0])
        reason = self._reason(number, now, best, around, reach)
        return Adaptation({"round": number, "around": best, "reach": reach}, reason)

    # Told.

    def begun(self, trial: int, configuration: Configuration) -> None:
        super().begun(trial, configuration)
        self._configurations[trial] = configuration
        self._next = max(self._next, trial + 1)
        self._freed = False

    def reported(self, trial: int, epoch: int, score: float) -> None:
        best = self._ranking.score(trial)
        if isfinite(score) and (best is None or score > best):
            self._ranking.put(trial, score)

    def paused(self, trial: int) -> None:
        self._freed = True

    def ended(self, trial: int, score: float | None) -> None:
        self._freed = True
        self._ranking.put(trial, score)

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self._round = settings["round"]
        self._around = [self._configurations[trial] for trial in settings["around"]]
        self._reach = dict(settings["reach"])

    # Inside.

    def _round_of(self, trial: int) -> tuple[int, Round]:
        """Its number, and what the plan says for it."""
        index = bisect_right(self.plan, trial, key=attrgetter("begins")) - 1
        again = 0
        if index == len(self.plan) - 1:
            size = self.plan[-1].begins - self.plan[-2].begins if index else 1
            again = (trial - self.plan[-1].begins) // max(1, size)
        return index + again, self.plan[index]

    def _near(self, now: Round, random: Generator) -> Configuration:
        anew, first, second = random.random((3, len(self.space))).tolist()
        centre: Configuration = {}
        if self._around:
            centre = self._around[_place(random.random(), len(self._around))]
        units = {}
        for place, (name, domain) in enumerate(self.space.items()):
            if name in now.at_default:
                units[name] = domain.to_unit(domain.default_value)
            elif name in now.anew or name not in centre or name not in self._reach:
                units[name] = anew[place]
            else:
                shares = (anew[place], first[place], second[place])
                units[name] = vicinity.draw(domain, centre[name], self._reach[name], shares)
        configuration = self.space.configuration(units)
        # As written, which the way through the unit interval would round.
        exact = {name: self.space[name].default_value for name in now.at_default if name in configuration}
        return configuration | exact

    def _reaches(self, now: Round, best: Configuration) -> dict[str, float]:
        before = self.plan[min(self._round, len(self.plan) - 1)]
        reaches = {}
        for name, domain in self.space.items():
            if isinstance(domain, Fixed) or name in now.anew or name in now.at_default:
                continue
            reaches[name] = now.reach
            if (last := self._reach.get(name)) is not None:
                reaches[name] = last * now.reach / before.reach
                centres = [near[name] for near in self._around if name in near]
                if name in best and vicinity.is_at_edge(domain, best[name], centres, last):
                    reaches[name] = max(last, reaches[name])
        return {name: round(reach, 4) for name, reach in reaches.items()}

    def _reason(
        self, number: int, now: Round, best: list[int], around: list[Configuration], reach: dict[str, float]
    ) -> str:
        def where(name: str) -> str | None:
            centres = [configuration[name] for configuration in around if name in configuration]
            words = vicinity.in_words(self.space[name], centres, reach[name])
            return words and f"{name} {words}"

        again = f", time {number - len(self.plan) + 2}" if number >= len(self.plan) else ""
        trials = f"trial{'s' if len(best) > 1 else ''} {', '.join(map(str, best))}"
        parts = [
            f"{now.name}{again}: near {trials}, the best of {len(self._ranking)} that have a score",
            ", ".join(filter(None, map(where, reach))),
            f"anew: {', '.join(now.anew)}" if now.anew else "",
            f"at their defaults: {', '.join(now.at_default)}" if now.at_default else "",
            *self.space.at_bounds([{name: one[name] for name in one if name in reach} for one in around]),
        ]
        return "; ".join(part for part in parts if part)


def _place(share: float, count: int) -> int:
    """Which of the best few: 0 for twice as many shares of [0, 1) as 1, that for twice as many as 2, …"""
    return min(int(-log2(1 - share * (1 - 0.5**count))), count - 1)
