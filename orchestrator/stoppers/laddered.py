"""What the stoppers that compare trials at rungs have in common: `rungs.py` and `grace.py` hold the rules."""

from collections.abc import Mapping
from typing import Any

from orchestrator.adaptation import Adaptation
from orchestrator.objective import Objective
from orchestrator.specs import whole
from orchestrator.stoppers.base import Stopper, Verdict
from orchestrator.stoppers.grace import Grace
from orchestrator.stoppers.rungs import Ladder


class Laddered(Stopper):
    """All trials compete on one ladder, each from its first rung on. `grace` is in epochs, or `auto`."""

    def __init__(
        self,
        max_epochs: int,
        objective: Objective,
        trials: int | None = None,
        *,
        grace: int | str = "auto",
        eta: int = 3,
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        self.eta = whole("eta", eta, 2)
        self.grace = Grace(grace, eta, max_epochs, trials)
        self.ladder = Ladder(self.grace.epochs)

    def horizon(self, trial: int, epoch: int) -> int:
        return self.grace.next_rung(trial, epoch)

    def adaptation(self) -> Adaptation | None:
        return self.grace.adaptation()

    def begun(self, trial: int) -> None:
        self.grace.begun(trial)

    def reported(self, trial: int, epoch: int, score: float) -> None:
        self.ladder.reported(trial, epoch, score, self.grace.first(trial))
        self.grace.reported(trial, epoch, score)

    def diverged(self, trial: int) -> None:
        self.ladder.diverged(trial)
        self.grace.ended(trial)

    def withdrawn(self, trial: int) -> None:
        self.ladder.withdrawn(trial)
        self.grace.withdrawn(trial)

    def paused(self, trial: int) -> None:
        self.ladder.paused(trial)

    def resumed(self, trial: int) -> None:
        self.ladder.resumed(trial)

    def ended(self, trial: int) -> None:
        self.ladder.ended(trial)
        self.grace.ended(trial)

    def closed(self) -> None:
        self.grace.closed()

    def adapted(self, settings: Mapping[str, Any]) -> None:
        self.grace.adapted(settings)


def between_rungs(epoch: int, horizon: int) -> Verdict:
    """Asked where there is no rung, for another stopper's sake."""
    return Verdict("go on", f"epoch {epoch} is no rung: trains to epoch {horizon}")
