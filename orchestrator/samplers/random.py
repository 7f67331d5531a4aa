"""Independent draws, each hyperparameter evenly on its own scale (Bergstra and Bengio, JMLR 2012)."""

from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.samplers.base import Exhausted
from search_spaces import Space, SpaceError


class RandomSampler:
    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def configuration(self, trial: int) -> Configuration:
        def uniforms(redraw: int) -> list[float]:
            draws: list[float] = (
                generator(self.seed, trial, Purpose.CONFIGURATION, redraw).random(len(self.space)).tolist()
            )
            return draws

        try:
            return self.space.draw(uniforms)
        except SpaceError as error:
            raise Exhausted(str(error)) from error
