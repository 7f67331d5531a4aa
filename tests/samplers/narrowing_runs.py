"""A sampler's life, as the scheduler asks and tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Configuration
from orchestrator.samplers import Sampler

Score = Callable[[Configuration], float | None]


@dataclass
class Life:
    sampler: Sampler
    score: Score
    workers: int = 1
    begun: list[Configuration] = field(default_factory=list)
    adaptations: dict[int, Adaptation] = field(default_factory=dict)
    """By the number of trials begun before."""

    def begin(self) -> Configuration:
        configuration = self.sampler.configuration(len(self.begun))
        self.sampler.begun(len(self.begun), configuration)
        self.begun.append(configuration)
        self.ask()
        return configuration

    def end(self, trial: int) -> None:
        score = self.score(self.begun[trial])
        if score is not None:
            self.sampler.reported(trial, 1, score)
        self.sampler.ended(trial, score)
        self.ask()

    def ask(self) -> None:
        if (adaptation := self.sampler.adaptation()) is not None:
            self.adaptations[len(self.begun)] = adaptation
            self.sampler.adapted(adaptation.settings)

    def live(self, trials: int) -> list[Configuration]:
        """Each trial ends when as many more have begun as there are workers."""
        for trial in range(trials):
            if trial >= self.workers:
                self.end(trial - self.workers)
            self.begin()
        return self.begun


def told_again(life: Life, sampler: Sampler) -> Sampler:
    """A new sampler that is told the same life, as the fold of a journal does."""
    for trial, configuration in enumerate(life.begun):
        if trial >= life.workers:
            ended = trial - life.workers
            if (score := life.score(life.begun[ended])) is not None:
                sampler.reported(ended, 1, score)
            sampler.ended(ended, score)
            if (adaptation := life.adaptations.get(trial)) is not None:
                sampler.adapted(adaptation.settings)
        sampler.begun(trial, configuration)
    return sampler
