"""Whole runs in virtual time: the real brain, driver and journal, on made-up curves of a small space."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.display import About, ClusterSummary
from orchestrator.driver import Watcher, drive
from orchestrator.journal import FORMAT, Header, Journal
from orchestrator.objective import Objective
from orchestrator.samplers import make_sampler
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.settings import Settings
from orchestrator.stoppers import make_stopper
from search_spaces import Choice, Float, Int, Space

SPACE = Space(
    learning_rate=Float(1e-4, 1, "log", group=1),
    optimizer=Choice(["sgd", "adam"]),
    momentum=Float(0.5, 0.98, "reverse_log", when={"optimizer": ["sgd"]}),
    layers=Int(1, 3),
)
OBJECTIVE = Objective("val_accuracy", "max")


def curve(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
    """Better with three layers, and slower; the highest rates diverge."""
    layers, rate = assignment.configuration["layers"], assignment.configuration["learning_rate"]
    if rate > 0.5:
        return {"loss": float("nan"), "val_accuracy": float("nan")}, 1.0
    quality = (layers + rate) / 4 * (1 - 0.8**epoch)
    return {"loss": 1 - quality, "val_accuracy": quality}, 0.5 + 0.25 * layers


class SimulatedRun:
    def __init__(self, settings: Settings, workers: int = 4, curve: Callable[..., Any] = curve) -> None:
        self.settings = settings
        self.workers = workers
        self.scheduler = Scheduler(
            OBJECTIVE,
            make_sampler(
                settings.sampler, SPACE, settings.seed, settings.trials, settings.repeats, points=settings.points
            ),
            make_stopper(settings.stopper, settings.epochs, OBJECTIVE, settings.trials),
            Limits(trials=settings.trials, max_time=settings.max_time, target=settings.target),
            max_epochs=settings.epochs,
            seed=settings.seed,
        )
        self.state = self.scheduler.state
        self.backend = SimulatedBackend(curve, OBJECTIVE, workers, sampler=self.scheduler.sampler)

    def drive(self, watch: Watcher | None = None, run_dir: Path | None = None) -> None:
        journal = Journal.create(run_dir, self._header()) if run_dir is not None else None
        try:
            drive(self.scheduler, self.backend, journal, watch)
        finally:
            if journal is not None:
                journal.close()

    def about(self, run_dir: Path = Path("runs/toy-1"), **changes: Any) -> About:
        cluster = ClusterSummary(
            nodes=2, cpus=8, gpus=1, address="10.0.0.1:6379", dashboard_url="http://127.0.0.1:8265", local=False
        )
        known: dict[str, Any] = {
            "study": "toy",
            "argument": "my studies/toy.py",
            "run_dir": run_dir,
            "objective": OBJECTIVE,
            "space": SPACE,
            "settings": self.settings,
            "workers": self.workers,
            "worker_cpus": 2.0,
            "worker_gpus": 0.25,
            "cluster": cluster,
            "versions": {"orchestrator": "0.1.0", "python": "3.11.7", "ray": "2.60.0"},
        }
        return About(**known | changes)

    def _header(self) -> Header:
        return Header(
            format=FORMAT,
            study="toy",
            objective=OBJECTIVE.name,
            direction=OBJECTIVE.direction,
            seed=self.settings.seed,
            fingerprint=SPACE.fingerprint,
            hyperparameters=list(SPACE),
            versions={},
            started=0.0,
            settings={},
        )


def simulated(run_dir: Path | None = None, workers: int = 4, **settings: Any) -> SimulatedRun:
    """A finished run."""
    run = SimulatedRun(Settings(**settings), workers)
    run.drive(run_dir=run_dir)
    return run
