"""What a run will cost, before it is started: a few trials are trained for real, the whole run in virtual time.

Measured, with `launch` on the cluster at hand: PILOTS trials of up to two epochs on at most two workers, some of which
pause and go on. From its journal come the seconds before a trial's first epoch, those of its first epoch and of a later
one, those before a paused trial goes on, and those until the workers are ready. The first trial of a worker pays for
what later ones find done, so the two kinds are kept apart.

Then the run is simulated RUNS times with its own sampler, stopper and limits, and with as many workers as asked. Each
run draws the measured trials anew with replacement (the bootstrap), and each of its trials has the costs of one of
those: of a worker's first trial where it is one. How well trials will learn is not known: their curves are power laws,
quality - size * epoch**-rate with a little noise, of random quality, size and rate. A target is not simulated, for
nobody knows when it will be reached. The range told is the middle nine tenths of the runs.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from orchestrator.assembly import find_study, make_scheduler
from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.display import Display
from orchestrator.draws import Purpose, generator
from orchestrator.driver import drive
from orchestrator.errors import RunFailed, UserError
from orchestrator.journal import read_journal
from orchestrator.objective import Objective
from orchestrator.run import launch
from orchestrator.scheduler.events import WorkerJoined
from orchestrator.settings import LIMITS, Settings, resolve
from orchestrator.simulation.recorded import Row, read_rows
from orchestrator.study import Study

PILOTS = 6
PILOT_WORKERS = 2
RUNS = 20
RANGE = (0.05, 0.5, 0.95)
SECONDS_PER_HOUR = 3600.0
SIZE, RATE, NOISE = (0.2, 1.0), (0.3, 1.2), 0.01
"""Of learning curves whose quality is evenly spread over [0, 1]."""


@dataclass(frozen=True, slots=True)
class TrialCost:
    """Of one measured trial, in seconds."""

    start: float
    first_epoch: float
    """With the tracing of the graph, where it was traced."""
    later_epoch: float
    cold: bool
    """It was the first of its worker."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, in seconds."""

    trials: list[TrialCost]
    resumes: list[float]
    ready: float
    """Until the first worker had joined."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A median and the middle nine tenths."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Plan:
    costs: Costs
    settings: Settings
    workers: int
    makespan: Expected
    """Seconds."""
    epochs: Expected
    cpu_hours: Expected
    gpu_hours: Expected


def plan(study: Study | str | Path = "digits_mlp", **settings: Any) -> Plan:
    """What a run of the study with these settings of `launch` is going to cost.

    Raises:
        UserError: As `launch`.
        RunFailed: The pilot trials failed.
    """
    loaded, _ = find_study(study)
    resolved = resolve(loaded.settings, settings)
    if all(getattr(resolved, limit) is None for limit in LIMITS if limit != "target"):
        raise UserError("nobody knows when a target will be reached: give another limit to plan with, such as trials")
    make_scheduler(loaded, resolved)  # What is wrong with it is told before anything is trained.
    costs = measure(study, resolved)
    return expected(loaded, resolved, costs)


def measure(study: Study | str | Path, settings: Settings) -> Costs:
    """Train a few trials for real. Half of them pause after their first epoch and go on, so that this is measured."""
    with tempfile.TemporaryDirectory(prefix="plan-") as folder:
        run = launch(
            study,
            display=Display(),
            run_dir=str(Path(folder) / "pilot"),
            trials=PILOTS,
            epochs=min(2, settings.epochs),
            sampler="random",
            stopper="asha:grace=1,eta=2",
            seed=settings.seed,
            workers=min(PILOT_WORKERS, settings.workers or PILOT_WORKERS),
            cpus_per_trial=settings.cpus_per_trial,
            gpus_per_trial=settings.gpus,
            address=settings.address,
            max_time=None,
            max_epochs_total=None,
            gpu_hours=None,
            target=None,
        )
        rows, resumes = read_rows(run.dir)
        joined = [record.at for record in read_journal(run.dir)[1] if isinstance(record, WorkerJoined)]
    if not rows:
        why = run.state.finished.reason if run.state.finished else "no trial ended"
        raise RunFailed(f"the pilot trials reported nothing, so there is nothing to plan with: {why}")
    return costs_of(rows, resumes, min(joined, default=0.0))


def costs_of(rows: Sequence[Row], resumes: Sequence[float], ready: float) -> Costs:
    """A trial that was trained for one epoch only gets the ratio of later to first epochs of the others; where nothing
    went on from a checkpoint, that costs what a start does."""
    both = [row.seconds[-1] / row.seconds[0] for row in rows if len(row.seconds) > 1 and row.seconds[0] > 0]
    ratio = median(both) if both else 1.0
    trials = [
        TrialCost(
            start=row.start_cost,
            first_epoch=row.seconds[0],
            later_epoch=row.seconds[-1] if len(row.seconds) > 1 else row.seconds[0] * ratio,
            cold=row.cold,
        )
        for row in rows
    ]
    return Costs(trials, list(resumes) or [median(trial.start for trial in trials)], ready)


def expected(study: Study, settings: Settings, costs: Costs) -> Plan:
    """Simulate the run, again and again."""
    workers = min(settings.workers or 1, settings.trials or settings.workers or 1)
    makespans, epochs = np.zeros(RUNS), np.zeros(RUNS)
    limits = _limits_once_ready(settings, costs, workers)
    for number in range(RUNS):
        seed = settings.seed + number
        scheduler = make_scheduler(study, replace(limits, seed=seed))
        imagined = _Imagined(study.objective, costs, seed, workers)
        backend = SimulatedBackend(imagined.epoch, study.objective, workers, imagined.overhead, scheduler.sampler)
        drive(scheduler, backend, None)
        makespans[number] = costs.ready + backend.now
        epochs[number] = scheduler.state.epochs_trained
    worker_hours = makespans * workers / SECONDS_PER_HOUR
    return Plan(
        costs=costs,
        settings=settings,
        workers=workers,
        makespan=_expected(makespans),
        epochs=_expected(epochs),
        cpu_hours=_expected(worker_hours * settings.cpus_per_trial),
        gpu_hours=_expected(worker_hours * settings.gpus),
    )


def _limits_once_ready(settings: Settings, costs: Costs, workers: int) -> Settings:
    """In virtual time workers are there at once; for real the clock and the GPUs' hours begin before."""
    max_time, gpu_hours = settings.max_time, settings.gpu_hours
    if max_time is not None:
        max_time = max(max_time - costs.ready, 0.0)
    if gpu_hours is not None:
        gpu_hours = max(gpu_hours - costs.ready * workers * settings.gpus / SECONDS_PER_HOUR, 0.0)
    return replace(settings, max_time=max_time, gpu_hours=gpu_hours, target=None)


def _expected(values: "np.ndarray[Any, np.dtype[np.float64]]") -> Expected:
    return Expected(*map(float, np.quantile(values, RANGE)))


@dataclass(frozen=True, slots=True)
class _Trial:
    cost: TrialCost
    quality: float
    size: float
    rate: float
    resume: float


class _Imagined:
    """The trials of one simulated run."""

    def __init__(self, objective: Objective, costs: Costs, seed: int, workers: int) -> None:
        self.objective = objective
        self.costs = costs
        self.seed = seed
        self.workers = workers
        draws = generator(seed, 0, Purpose.PLAN, 1)
        kinds = ([one for one in costs.trials if one.cold is cold] or costs.trials for cold in (False, True))
        self.warm, self.cold = ([kind[place] for place in draws.integers(len(kind), size=len(kind))] for kind in kinds)
        self._trials: dict[int, _Trial] = {}

    def trial(self, number: int) -> _Trial:
        if number not in self._trials:
            draws = generator(self.seed, number, Purpose.PLAN)
            measured = self.cold if number < self.workers else self.warm
            self._trials[number] = _Trial(
                cost=measured[draws.integers(len(measured))],
                quality=draws.uniform(),
                size=draws.uniform(*SIZE),
                rate=draws.uniform(*RATE),
                resume=self.costs.resumes[draws.integers(len(self.costs.resumes))],
            )
        return self._trials[number]

    def epoch(self, assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
        trial = self.trial(assignment.trial)
        noise = NOISE * generator(self.seed, assignment.trial, Purpose.PLAN, 1 + epoch).standard_normal()
        score = trial.quality - trial.size * epoch**-trial.rate + noise
        seconds = trial.cost.first_epoch if epoch == 1 else trial.cost.later_epoch
        return {self.objective.name: self.objective.turn(score)}, seconds

    def overhead(self, assignment: Assignment) -> float:
        trial = self.trial(assignment.trial)
        return trial.resume if assignment.start is not None else trial.cost.start
