"""A world whose workers also say what they have built, and what their time goes into."""

from orchestrator.scheduler.events import Event, TrialBuilt, WorkerSpent
from orchestrator.scheduler.instructions import Pause, Train
from tests.scheduler.world import Training, Worker, World

STRUCTURES = 3


class TellingWorld(World):
    def _join(self, slices: int = 1) -> None:
        super()._join(slices)
        self._tell(self.workers[self._born - 1], start=1.0, data=0.5)

    def _begin(self, worker: Worker, command: Train | Pause) -> None:
        super()._begin(worker, command)
        if (training := worker.training) is not None:
            structure = f"structure {training.assignment.trial % STRUCTURES}"
            worker.outbox.append(TrialBuilt(at=self.now, **self._identity(training), structure=structure, reused=False))

    def _end(self, worker: Worker, training: Training, word: Event) -> None:
        self._tell(worker, train=0.5, wait=0.25)
        super()._end(worker, training, word)

    def _tell(self, worker: Worker, **seconds: float) -> None:
        worker.outbox.append(WorkerSpent(at=self.now, worker=worker.number, seconds=seconds))
