"""One run on recorded curves.

The budget is what so many full trainings cost on average, shared by the workers: it ends the run in virtual time.
What is under way then is cut: what it reported before counts, an epoch that ends exactly on the budget too.
"""

from dataclasses import dataclass, field
from math import inf

from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.driver import drive
from orchestrator.errors import UserError
from orchestrator.samplers import Sampler, make_sampler
from orchestrator.scheduler.events import TrialReported
from orchestrator.scheduler.instructions import EndRun, Record, Stop, Train
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.settings import Settings
from orchestrator.simulation.curves import Curves
from orchestrator.simulation.rows import ROW, NearestRow, RowOrder
from orchestrator.stoppers import make_stopper

MOST_WORKERS = 1_000_000
HAIR = 1e-9
"""Of the budget: what sums of seconds may be off by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a run is simulated with. `None` for a sampler: the rows in a random order; for a cost: as recorded.

    Raises:
        UserError: With a line for each number that makes no sense.
    """

    sampler: str | None = None
    stopper: str = Settings().stopper
    workers: int = 1
    trainings: float = 100.0
    start_cost: float | None = None
    resume_cost: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.workers <= MOST_WORKERS:
            problems.append(f"workers is {self.workers}: use a whole number from 1 to {MOST_WORKERS:,}")
        if not 0 < self.trainings < inf:
            problems.append(f"trainings is {self.trainings:g}: use a finite number above 0")
        for name, cost in (("start-cost", self.start_cost), ("resume-cost", self.resume_cost)):
            if cost is not None and not 0 <= cost < inf:
                problems.append(f"{name} is {cost:g}: use a number of seconds, 0 or more")
        if problems:
            raise UserError("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. Times are seconds of virtual time."""

    task: str
    seed: int
    stopper: str
    workers: int
    started: int
    """Before the budget was spent."""
    stopped: int
    """By the stopper: before their last epoch, or still paused when the run ended."""
    completed: int
    epochs: int
    """That were reported."""
    cost: float
    """Seconds that workers spent on trials, in sum."""
    makespan: float
    busy: float
    """The share of the workers' time that was spent on trials."""
    trace: list[tuple[float, int, int, float]]
    """(time, row, epoch, value) whenever the best observed value improved."""


def replay(curves: Curves, task: int, seed: int, choices: Choices) -> Replay:
    """One run on the curves of one task.

    Raises:
        UserError: The sampler or the stopper makes no sense here.
    """
    sampler = _sampler(curves, seed, choices.sampler)
    budget = choices.trainings * curves.full_cost(task) / choices.workers
    try:
        stopper = make_stopper(choices.stopper, curves.epochs, curves.objective)
    except ValueError as wrong:
        raise UserError(f"stopper is {choices.stopper!r}: {wrong}") from None
    limits = Limits(max_time=budget * (1 + HAIR))
    scheduler = Scheduler(curves.objective, sampler, stopper, limits, max_epochs=curves.epochs, seed=seed)
    trained = _Trained(curves, task, choices)
    backend = SimulatedBackend(trained.epoch, curves.objective, choices.workers, trained.overhead, sampler)
    watched = _Watched(scheduler.state, budget)
    drive(scheduler, backend, None, watched.watch)
    makespan = min(backend.now, budget)
    cost = min(backend.busy_seconds, choices.workers * makespan)
    return Replay(
        task=curves.tasks[task],
        seed=seed,
        stopper=choices.stopper,
        workers=choices.workers,
        started=watched.started,
        stopped=watched.stopped,
        completed=scheduler.state.count(Status.COMPLETED),
        epochs=scheduler.state.epochs_trained,
        cost=cost,
        makespan=makespan,
        busy=cost / (choices.workers * makespan),
        trace=watched.trace,
    )


def _sampler(curves: Curves, seed: int, text: str | None) -> Sampler:
    if text is None:
        return RowOrder(curves.value.shape[1], seed)
    if isinstance(curves.rows, str):
        raise UserError(f"sampler is {text!r}, but the curves have no space to search in: {curves.rows}")
    try:
        return NearestRow(make_sampler(text, curves.rows.space, seed), curves.rows)
    except ValueError as wrong:
        raise UserError(f"sampler is {text!r}: {wrong}") from None


class _Trained:
    """What training would have said."""

    def __init__(self, curves: Curves, task: int, choices: Choices) -> None:
        self.metric = curves.objective.name
        self.values = curves.value[task].tolist()
        self.seconds = curves.seconds[task].tolist()
        self.lengths = None if curves.lengths is None else curves.lengths.tolist()
        recorded = None if curves.start_cost is None else curves.start_cost.tolist()
        self.start_costs = recorded if choices.start_cost is None else None
        self.start_cost = choices.start_cost or 0.0
        self.resume_cost = curves.resume_cost if choices.resume_cost is None else choices.resume_cost

    def epoch(self, assignment: Assignment, epoch: int) -> tuple[dict[str, float], float] | None:
        row = assignment.configuration[ROW]
        if self.lengths is not None and epoch > self.lengths[row]:
            return None
        return {self.metric: self.values[row][epoch - 1]}, self.seconds[row][epoch - 1]

    def overhead(self, assignment: Assignment) -> float:
        if assignment.start is not None:
            return self.resume_cost
        return self.start_cost if self.start_costs is None else float(self.start_costs[assignment.configuration[ROW]])


@dataclass(slots=True)
class _Watched:
    """What the state of a run does not keep."""

    state: State
    budget: float
    best: float | None = None
    started: int = 0
    stopped: int = 0
    trace: list[tuple[float, int, int, float]] = field(default_factory=list)

    def watch(self, records: list[Record]) -> None:
        ending = False
        for record in records:
            match record:
                case TrialReported():
                    self._reported(record)
                case Train(assignment=assignment) if assignment.begins_trial and self.state.now < self.budget:
                    self.started += 1
                case EndRun():
                    ending = True
                case Stop() if record.worker is None or not ending:
                    self.stopped += 1

    def _reported(self, record: TrialReported) -> None:
        objective = self.state.objective
        score = objective.score(record.metrics)
        if self.best is None or score > self.best:
            self.best = score
            row = self.state.trials[record.trial].configuration[ROW]
            self.trace.append((record.at, row, record.epoch, objective.turn(score)))
