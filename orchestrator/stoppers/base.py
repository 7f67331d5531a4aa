"""What every stopper answers. The base class never stops a trial.

A stopper is told facts (`reported`, `diverged`, `withdrawn`) and what was decided (`begun`, `paused`,
`resumed`, `ended`, `closed`, `adapted`), from which it keeps its own index; asked (`horizon`, `judge`, `promotable`,
`finalists`, `adaptation`) it changes nothing. So the fold of a journal gives it back as it was, without judging
anything a second time. Scores are turned: larger is better.

The options of a stopper are the keyword-only arguments of its constructor, which raises ValueError with the fix.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from orchestrator.adaptation import Adaptation
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

    pauses: ClassVar[bool] = False
    """Whether trials may wait for others. Of several stoppers in one run, one at most does."""
    promotes_together: bool = False
    """Whether one report may let many of them go on."""

    def __init__(self, max_epochs: int, objective: Objective, trials: int | None = None) -> None:
        self.max_epochs = max_epochs
        self.objective = objective
        """Only to show scores in reasons as they were reported."""
        self.trials = trials
        """At most so many trials will be begun, where that is known."""

    # Asked.

    def horizon(self, trial: int, epoch: int) -> int:
        """The epoch, after `epoch`, up to which a trial may train before it must be judged.

        With epoch 0 it is asked of the trial that is about to begin.
        """
        return self.max_epochs

    def judge(self, trial: int, epoch: int) -> Verdict:
        """Asked at the end of an assignment, unless that is max epochs: once `horizon` is reached, or before it,
        where another stopper beside this one wants to judge."""
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

    def adaptation(self) -> Adaptation | None:
        """What it wants to change before anything else is decided."""
        return None

    # Told.

    def begun(self, trial: int) -> None:
        pass

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
        """The trial was stopped, or reached its end."""

    def closed(self) -> None:
        """No trial will be begun any more; it may be told more than once."""

    def adapted(self, settings: Mapping[str, Any]) -> None:
        pass
