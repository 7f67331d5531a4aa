"""Several stoppers on the same trials: `asha:eta=4,grace=3+patience:5`.

- Each is told everything and asked wherever one of them wants to judge: the earliest horizon counts. Asked at an epoch
  that is none of its own, a stopper lets the trial go on.
- The strictest verdict counts: stop before pause, pause before go on; of equals the first one's. The reason names it.
- One at most pauses trials, and decides which of them go on; they do so no further than the others' horizons.
- Each kind stands once, and changes its own course alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.adaptation import Adaptation
from orchestrator.objective import Objective
from orchestrator.stoppers.base import Promotion, Stopper, Verdict

STRICTNESS = {"stop": 0, "pause": 1, "go on": 2}


class Composite(Stopper):
    def __init__(
        self, parts: Mapping[str, Stopper], max_epochs: int, objective: Objective, trials: int | None = None
    ) -> None:
        super().__init__(max_epochs, objective, trials)
        pausing = [name for name, part in parts.items() if part.pauses]
        if len(pausing) > 1:
            raise ValueError(f"{' and '.join(pausing)} both pause trials: use one of them")
        self.parts = dict(parts)
        self.pausing = self.parts[pausing[0]] if pausing else None
        self.promotes_together = any(part.promotes_together for part in parts.values())
        self.epoch: dict[int, int] = {}
        """The last epoch of each live trial that any attempt reported."""

    # Asked.

    def horizon(self, trial: int, epoch: int) -> int:
        return min(part.horizon(trial, epoch) for part in self.parts.values())

    def judge(self, trial: int, epoch: int) -> Verdict:
        verdicts = [(name, part.judge(trial, epoch)) for name, part in self.parts.items()]
        name, verdict = min(verdicts, key=lambda named: STRICTNESS[named[1].action])
        return Verdict(verdict.action, f"{name}: {verdict.reason}")

    def promotable(self) -> Iterator[Promotion]:
        for promotion in self.pausing.promotable() if self.pausing else ():
            yield self._bounded(promotion)

    def finalists(self) -> Iterator[Promotion]:
        for promotion in self.pausing.finalists() if self.pausing else ():
            yield self._bounded(promotion)

    def standing(self, trial: int) -> str:
        return self.pausing.standing(trial) if self.pausing else super().standing(trial)

    def adaptation(self) -> Adaptation | None:
        for name, part in self.parts.items():
            if (adaptation := part.adaptation()) is not None:
                return Adaptation({name: adaptation.settings}, f"{name}: {adaptation.reason}")
        return None

    # Told.

    def begun(self, trial: int) -> None:
        for part in self.parts.values():
            part.begun(trial)

    def reported(self, trial: int, epoch: int, score: float) -> None:
        self.epoch[trial] = max(epoch, self.epoch.get(trial, 0))
        for part in self.parts.values():
            part.reported(trial, epoch, score)

    def diverged(self, trial: int) -> None:
        self.epoch.pop(trial, None)
        for part in self.parts.values():
            part.diverged(trial)

    def withdrawn(self, trial: int) -> None:
        self.epoch.pop(trial, None)
        for part in self.parts.values():
            part.withdrawn(trial)

    def paused(self, trial: int) -> None:
        for part in self.parts.values():
            part.paused(trial)

    def resumed(self, trial: int) -> None:
        for part in self.parts.values():
            part.resumed(trial)

    def ended(self, trial: int) -> None:
        self.epoch.pop(trial, None)
        for part in self.parts.values():
            part.ended(trial)

    def closed(self) -> None:
        for part in self.parts.values():
            part.closed()

    def adapted(self, settings: Mapping[str, Any]) -> None:
        for name, own in settings.items():
            self.parts[name].adapted(own)

    def _bounded(self, promotion: Promotion) -> Promotion:
        trial = promotion.trial
        others = (part for part in self.parts.values() if part is not self.pausing)
        to_epoch = min(promotion.to_epoch, *(other.horizon(trial, self.epoch[trial]) for other in others))
        return Promotion(trial, to_epoch, promotion.reason)
