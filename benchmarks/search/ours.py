"""Our stoppers on recorded curves: the scheduler, driver and backend of `orchestrator simulate`, and its order of rows.

What `simulate` prints leaves out when each row was begun; so the same parts are put together here, and watched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from benchmarks.search.cache import fingerprint
from benchmarks.search.replay import ROUNDING, Run, contender_of
from benchmarks.search.tasks import Task
from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.driver import drive
from orchestrator.objective import Objective
from orchestrator.scheduler.events import TrialReported
from orchestrator.scheduler.instructions import Record, Train
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.settings import Settings
from orchestrator.simulation.rows import ROW, RowOrder
from orchestrator.stoppers import STOPPERS as STOPPERS_BY_NAME
from orchestrator.stoppers import make_stopper

DEFAULT = Settings().stopper
"""Of `launch`."""
STOPPERS = (
    "adaptive",
    "asha",
    "asha:grace=1",
    "asha:grace=3",
    "asha_stop",
    "asha_stop:grace=1",
    "halving",
    "hyperband",
    "median",
    "patience:5",
    "asha+patience:5",
)
PAUSING = ("adaptive", "asha", "halving", "hyperband")

_DECIDING = ("scheduler", "stoppers", "backends/simulated.py", "simulation/rows.py", "objective.py", "draws.py")
"""The parts of our source from which a run follows."""


@cache
def fingerprint_of(stopper: str) -> str:
    return fingerprint(_kinds(stopper), STOPPERS_BY_NAME, _DECIDING)


def stoppers() -> list[str]:
    return [DEFAULT, *(text for text in STOPPERS if text != DEFAULT)]


def pauses(stopper: str) -> bool:
    """Whether its trials pause, and cost something when they go on."""
    return bool(_kinds(stopper) & set(PAUSING))


def _kinds(stopper: str) -> set[str]:
    return {part.partition(":")[0] for part in stopper.split("+")}


def run(task: Task, stopper: str, seed: int, workers: int, resume: float = 0.0) -> Run:
    """`resume` is what going on from a checkpoint costs, in epochs of mean length."""
    objective = Objective("value", "max" if task.direction == "max" else "min")
    value, elapsed = task.value.tolist(), task.elapsed.tolist()
    resume_seconds = resume * float(task.elapsed[:, -1].mean()) / task.epochs

    def epoch_of(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        row = assignment.configuration[ROW]
        return {"value": value[row][epoch - 1]}, elapsed[row][epoch] - elapsed[row][epoch - 1]

    def cost_before(assignment: Assignment) -> float:
        return resume_seconds if assignment.start is not None else 0.0

    scheduler = Scheduler(
        objective,
        RowOrder(task.rows, seed),
        make_stopper(stopper, task.epochs, objective),
        Limits(max_time=task.budget(workers) * ROUNDING),
        max_epochs=task.epochs,
        seed=seed,
    )
    watched = _Watched(scheduler.state)
    drive(scheduler, SimulatedBackend(epoch_of, objective, workers, cost_before), None, watched.watch)
    state = scheduler.state
    return Run(
        seed=seed,
        trace=watched.trace,
        contender=contender_of(task, workers, watched.begun),
        begun=sum(time < task.budget(workers) for time, _ in watched.begun),
        epochs=state.epochs_trained,
        completed=state.count(Status.COMPLETED),
    )


@dataclass(slots=True)
class _Watched:
    state: State
    best: float | None = None
    trace: list[tuple[float, int, int, float]] = field(default_factory=list)
    begun: list[tuple[float, int]] = field(default_factory=list)

    def watch(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case TrialReported():
                    self._reported(record)
                case Train() if record.assignment.begins_trial:
                    self.begun.append((self.state.now, record.assignment.configuration[ROW]))

    def _reported(self, record: TrialReported) -> None:
        score = self.state.objective.score(record.metrics)
        if self.best is None or score > self.best:
            self.best = score
            row = self.state.trials[record.trial].configuration[ROW]
            self.trace.append((record.at, row, record.epoch, self.state.objective.turn(score)))
