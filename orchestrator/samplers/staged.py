"""By importance: first the hyperparameters of group 1, then those of group 2, …, at last all of them together.

Stage k draws the hyperparameters of group k anew, from their whole domains, while those of the groups before it keep
near to what has won and those of the groups after it stay at their defaults. Those without a group come after the last
group. The last stage draws all of them near the best, ever closer, as `zoom` does; the rules are in narrowing.py.

The stages before the last share 40 % of the trials (without a limit: of eight trials for each hyperparameter and eight
more) in proportion to the number of their hyperparameters and one. A stage begins when so many trials have begun: on
many workers it may know little of the stage before it, and draws that from the whole domains too.

Staging wins where the groups say what matters, and loses where hyperparameters of different groups only work together:
what is best for group 1 is then found beside defaults that do not suit it.
"""

from orchestrator.samplers.narrowing import NarrowingSampler, Round, dimensions, shrinking, usual_trials
from search_spaces import Space

STAGES = 0.4
KEEPING = 0.3
"""The reach of what has won in earlier stages."""


class StagedSampler(NarrowingSampler):
    def __init__(self, space: Space, seed: int, trials: int | None = None, repeats: bool = False) -> None:
        super().__init__(space, seed, trials, repeats)
        groups = groups_of(space)
        total = trials or usual_trials(space)
        weights = [len(group) + 1 for group in groups]
        self.plan = []
        begins = 0
        for stage, group in enumerate(groups):
            later = [name for after in groups[stage + 1 :] for name in after]
            title = f"stage {stage + 1} of {len(groups) + 1}"
            self.plan.append(Round(begins, title, KEEPING, anew=group, at_default=later))
            begins += max(1, round(STAGES * total * weights[stage] / sum(weights)))
        self.plan += shrinking(f"stage {len(groups) + 1}, round", begins, total)


def groups_of(space: Space) -> list[list[str]]:
    """The hyperparameters there are to tune, the most important group first, those without a group last."""
    names = dimensions(space)
    numbers = sorted({space[name].group or 5 for name in names})
    return [[name for name in names if (space[name].group or 5) == number] for number in numbers]
