"""Asynchronous successive halving by promotion (Li et al., "A system for massively parallel hyperparameter tuning",
MLSys 2020, algorithm 2).

What a rung is, and who counts at it with what value, is said in `rungs.py`; where the first one is, in `grace.py`.

- A trial that reaches a rung pauses there.
- It may be promoted when it ranks among the top floor(n / eta) of the n trials that have reached the rung, itself and
  those already promoted included. The first to arrive waits: floor(1 / eta) is 0.
- A free worker takes the promotable trial of the highest rung, and of these the best. It trains to the next rung, or
  to max epochs, also when its attempt is lost and another begins anew.
- When nothing else is left, `finalists` are the paused trials, highest rung first, best first: they train to max
  epochs, and count at the rungs that they pass.
- A grace of max epochs or more leaves no rung: every trial trains to the end.
- Direction "min" was turned at the door: here larger is better.
"""

from collections.abc import Iterator

from orchestrator.stoppers.base import Promotion, Verdict
from orchestrator.stoppers.laddered import Laddered, between_rungs
from orchestrator.stoppers.rungs import Rung


class Asha(Laddered):
    pauses = True

    def judge(self, trial: int, epoch: int) -> Verdict:
        rung = self.ladder.at(trial)
        if rung is None or trial not in self.ladder.arrived:
            return between_rungs(epoch, self.horizon(trial, epoch))
        return Verdict("pause", f"{rung.place(trial)}; the top {self._top(rung)} go on")

    def promotable(self) -> Iterator[Promotion]:
        for rung in reversed(self.ladder.rungs):
            top = self._top(rung)
            for trial in rung.waiting_within(top):
                reason = f"promoted: {rung.place(trial)}, within the top {top}"
                yield Promotion(trial, self.horizon(trial, rung.epoch), reason)

    def finalists(self) -> Iterator[Promotion]:
        for rung in reversed(self.ladder.rungs):
            for _, _, trial in rung.waiting:
                reason = f"nothing else is left: {rung.place(trial)}, the best at the highest rung"
                yield Promotion(trial, self.max_epochs, reason)

    def standing(self, trial: int) -> str:
        rung = self.ladder.at(trial)
        return f"paused at {rung.place(trial)}; the top {self._top(rung)} went on" if rung else super().standing(trial)

    def _top(self, rung: Rung) -> int:
        return len(rung.entries) // self.eta
