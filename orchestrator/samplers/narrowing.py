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
- Near means: at most `reach` away on the domain's own scale, which is 1 long, with a probability that falls evenly
  from the value itself to nothing at the reach; what falls outside of the bounds becomes the bound. An Int can always
  reach its neighbours. A Choice has the value itself, or with probability `reach` any value. What is inactive in that
  trial is drawn anew.
- The reach shrinks from round to round, but not for a hyperparameter whose best value lies at the edge of where the
  last round looked (its outer tenth on that side): the box moves there at its full size. A best value at the bound of
  its domain is reported.
- What the constraints refuse or a trial has had is drawn again; after 100 times as random search would.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log2, sqrt
from operator import attrgetter
from typing import Any

from numpy.random import Generator
from sortedcontainers import SortedList

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.samplers.base import Exhausted
from orchestrator.samplers.random import RandomSampler
from search_spaces import Domain, Fixed, Float, Int, Space, SpaceError

WIDEST, NARROWEST = 0.6, 0.1
"""The reach in the first and the last of the rounds that shrink."""
MOST_BEST = 4
EDGE = 0.1
"""Of the box of the last round, on either side."""
AT_BOUND = 0.01
"""Of a Float's scale."""
REDRAWS = 100


@dataclass(frozen=True, slots=True)
class Round:
    begins: int
    """With the trial of this number."""
    name: str
    reach: float
    anew: Collection[str] = ()
    at_default: Collection[str] = ()


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
    count = rounds or max(1, round(sqrt(trials / 2)))
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
        self._ranking: SortedList[tuple[float, int]] = SortedList()
        """(-score, trial)"""
        self._scores: dict[int, float] = {}
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
        if not self._freed or not self._ranking or (self.trials is not None and self._next >= self.trials):
            return None
        number, now = self._round_of(self._next)
        if number <= self._round:
            return None
        few = min(MOST_BEST, -(-len(self._ranking) // 4))
        best = [trial for _, trial in self._ranking.islice(0, few)]
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
        if isfinite(score) and score > self._scores.get(trial, -inf):
            self._rank(trial, score)

    def paused(self, trial: int) -> None:
        self._freed = True

    def ended(self, trial: int, score: float | None) -> None:
        self._freed = True
        self._rank(trial, score)

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self._round = settings["round"]
        self._around = [self._configurations[trial] for trial in settings["around"]]
        self._reach = dict(settings["reach"])

    # Inside.

    def _rank(self, trial: int, score: float | None) -> None:
        if (known := self._scores.pop(trial, None)) is not None:
            self._ranking.remove((-known, trial))
        if score is not None:
            self._scores[trial] = score
            self._ranking.add((-score, trial))

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
            elif isinstance(domain, Float | Int):
                offset = reach_in(domain, self._reach[name]) * (first[place] + second[place] - 1)
                units[name] = min(max(domain.to_unit(centre[name]) + offset, 0.0), 1.0)
            else:
                units[name] = anew[place] if first[place] < self._reach[name] else domain.to_unit(centre[name])
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
                if isinstance(domain, Float | Int) and name in best and self._at_edge(name, domain, best[name]):
                    reaches[name] = max(last, reaches[name])
        return {name: round(reach, 4) for name, reach in reaches.items()}

    def _at_edge(self, name: str, domain: Float | Int, value: Any) -> bool:
        """Whether the value lies at an edge of the last box which is not a bound of the domain."""
        low, high = box(domain, [near[name] for near in self._around if name in near], self._reach[name])
        margin = EDGE * (high - low)
        unit = domain.to_unit(value)
        return (low > 0 and unit < low + margin) or (high < 1 and unit > high - margin)

    def _reason(
        self, number: int, now: Round, best: list[int], around: list[Configuration], reach: dict[str, float]
    ) -> str:
        again = f", time {number - len(self.plan) + 2}" if number >= len(self.plan) else ""
        trials = f"trial{'s' if len(best) > 1 else ''} {', '.join(map(str, best))}"
        parts = [f"{now.name}{again}: near {trials}, the best of {len(self._ranking)} that have a score"]
        near = [f"{name} {region(self.space[name], around, name, reach[name])}" for name in reach]
        parts += [", ".join(near)] if near else []
        parts += [f"anew: {', '.join(now.anew)}"] if now.anew else []
        parts += [f"at their defaults: {', '.join(now.at_default)}"] if now.at_default else []
        parts += at_bounds(self.space, {name: value for name, value in around[0].items() if name in reach})
        return "; ".join(parts)


def _place(share: float, count: int) -> int:
    """Which of the best few: 0 for twice as many shares of [0, 1) as 1, that for twice as many as 2, …"""
    return min(int(-log2(1 - share * (1 - 0.5**count))), count - 1)


def box(domain: Float | Int, centres: Sequence[Any], reach: float) -> tuple[float, float]:
    """From where to where, in the unit interval, values near these are drawn; all of it where there is none."""
    if not centres:
        return 0.0, 1.0
    units = [domain.to_unit(centre) for centre in centres]
    reach = reach_in(domain, reach)
    return max(min(units) - reach, 0.0), min(max(units) + reach, 1.0)


def reach_in(domain: Float | Int, reach: float) -> float:
    """No less than to the neighbours of an Int."""
    return max(reach, 1 / domain.count) if isinstance(domain, Int) else reach


def region(domain: Domain, around: Sequence[Configuration], name: str, reach: float) -> str:
    """Where a hyperparameter is drawn, in words."""
    centres = [configuration[name] for configuration in around if name in configuration]
    if isinstance(domain, Float | Int):
        low, high = (domain.from_unit(unit) for unit in box(domain, centres, reach))
        return f"{low:.3g} … {high:.3g}" if isinstance(domain, Float) else f"{low} … {high}"
    mostly = " or ".join(str(value) for value in dict.fromkeys(centres))
    return f"mostly {mostly}" if mostly else "any"


def at_bounds(space: Space, best: Configuration) -> list[str]:
    """What the best configuration says about the bounds of the space, a line each."""
    lines = []
    for name, value in best.items():
        domain = space[name]
        if isinstance(domain, Float | Int) and domain.low < domain.high:
            for side, bound, unit in (("lower", domain.low, 0.0), ("upper", domain.high, 1.0)):
                if value == bound or (isinstance(domain, Float) and abs(domain.to_unit(value) - unit) <= AT_BOUND):
                    lines.append(f"best {name} lies at the {side} bound {bound}: consider widening")
    return lines
