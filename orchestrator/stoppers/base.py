"""What every stopper answers. The base class never stops a trial.

A stopper is told facts (`reported`, `diverged`, `withdrawn`) and what was decided (`paused`, `resumed`, `ended`),
from which it keeps its own index; asked (`horizon`, `judge`, `promotable`, `finalists`) it changes nothing. So the
fold of a journal gives it back as it was, without judging anything a second time. Scores are turned: larger is better.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.objective import Objective


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a trial at the end of its assignment. The reason has its numbers."""

    action: Literal["go on", "pause", "stop"]
    reason: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that may train on, to its next decision."""

    trial: int
    to_epoch: int
    reason: str


class Stopper:
    """Trains every trial to max epochs."""

    def __init__(self, max_epochs: int, objective: Objective) -> None:
        self.max_epochs = max_epochs
        self.objective = objective
        """Only to show scores in reasons as they were reported."""

    # Asked.

    def horizon(self, epoch: int) -> int:
        """The epoch, after `epoch`, up to which a trial may train before it must be judged."""
        return self.max_epochs

    def judge(self, trial: int, epoch: int) -> Verdict:
        """Asked once `horizon` is reached, unless that is max epochs."""
        return Verdict("go on", f"no early stopping: trains to epoch {self.max_epochs}")

    def promotable(self) -> Iterator[Promotion]:
        """Paused trials that may go on, the most urgent first."""
        return iter(())

    def finalists(self) -> Iterator[Promotion]:
        """Paused trials, the most promising first: the last resort when nothing else would complete."""
        return iter(())

    def standing(self, trial: int) -> str:
        """Where a paused trial stands, for its last reason."""
        return "paused"

    # Told.

    def reported(self, trial: int, epoch: int, score: float) -> None:
        """A trial's score after an epoch; NaN or infinite where it is about to diverge."""

    def diverged(self, trial: int) -> None:
        pass

    def withdrawn(self, trial: int) -> None:
        """The trial failed: it counts nowhere."""

    def paused(self, trial: int) -> None:
        pass

    def resumed(self, trial: int) -> None:
        pass

    def ended(self, trial: int) -> None:
        pass
