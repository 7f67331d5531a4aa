"""Asynchronous successive halving by stopping: nobody pauses, a trial that is not good enough at a rung ends there.

What a rung is, and who counts at it with what value, is said in `rungs.py`; where the first one is, in `grace.py`.

- A trial goes on from a rung when fewer than n / eta of the n trials that have reached it, itself included, are
  better; else it stops. So the first to arrive goes on, and so do ties with one that would.
- It is judged once at each rung, by what is known then: a decision is never taken back, in either direction. After a
  report that jumps over several rungs it is judged at the highest of them.
- It trains from rung to rung; a lost attempt that reports again is not judged again at the rungs that it had reached.
- Nothing is ever promotable, and there are no finalists: what was not stopped trains to max epochs by itself.
- A grace of max epochs or more leaves no rung: every trial trains to the end.
- Direction "min" was turned at the door: here larger is better.
"""

from orchestrator.stoppers.base import Verdict
from orchestrator.stoppers.laddered import Laddered, between_rungs
from orchestrator.stoppers.rungs import Rung


class AshaStop(Laddered):
    def judge(self, trial: int, epoch: int) -> Verdict:
        rung = self.ladder.at(trial)
        if rung is None or trial not in self.ladder.arrived:
            return between_rungs(epoch, self.horizon(trial, epoch))
        better = self._better(rung, trial)
        numbers = f"epoch {rung.epoch}: {better} of {len(rung.entries)} are better"
        if better * self.eta < len(rung.entries):
            return Verdict("go on", f"{numbers}, fewer than one in {self.eta}")
        return Verdict("stop", f"{numbers}, which is one in {self.eta} or more")

    def _better(self, rung: Rung, trial: int) -> int:
        return int(rung.entries.bisect_left((rung.entry_of[trial][0], -1, -1)))
