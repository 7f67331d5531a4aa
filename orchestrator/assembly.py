"""A study by its name or file, and the brain of a run, put together from a study and settings."""

from dataclasses import replace
from math import ceil
from pathlib import Path

from orchestrator import studies
from orchestrator.errors import UserError, nearest
from orchestrator.leaderboard import RESERVED
from orchestrator.samplers import Exhausted, make_sampler
from orchestrator.samplers.random import RandomSampler
from orchestrator.scheduler.closing import Closing
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.tolerance import Tolerance
from orchestrator.settings import Settings
from orchestrator.stoppers import make_stopper
from orchestrator.study import Study
from orchestrator.study_file import StudySource, read_study

RELEASE_AFTER = 30.0
"""Seconds after which workers are released for which nothing is left."""


def find_study(study: Study | str | Path) -> tuple[Study, StudySource | None]:
    """A study as an object, from a file, or by its shipped name."""
    if isinstance(study, Study):
        if study.files:
            raise UserError("Study(files=…) are those beside a study's file: launch that file by its path")
        return study, None
    shipped = [name for name, _ in studies.shipped()]
    if study in shipped:
        return read_study(Path(studies.__file__).with_name(f"{study}.py"))
    path = Path(study)
    if path.is_file():
        return read_study(path)
    if path.suffix == ".py":
        raise UserError(f"{path}: there is no such file")
    raise UserError(
        f"there is no study '{study}'{nearest(str(study), shipped)} (shipped: {', '.join(shipped)}; "
        "or give the path of a Python file)"
    )


def make_scheduler(study: Study, settings: Settings) -> Scheduler:
    """The brain of the run, with a first draw so that a space without configurations is told before anything starts."""
    if taken := [name for name in study.space if name in RESERVED]:
        raise UserError(f"the leaderboard has columns {', '.join(taken)} of its own: rename the hyperparameters")
    try:
        RandomSampler(study.space, settings.seed).configuration(0)
    except Exhausted as error:
        raise UserError(f"the search space has no configuration: {error}") from error
    try:
        sampler = make_sampler(
            settings.sampler, study.space, settings.seed, settings.trials, settings.repeats, points=settings.points
        )
    except ValueError as error:
        raise UserError(f"sampler is {settings.sampler!r}: {error}") from error
    stopper = make_stopper(settings.stopper, settings.epochs, study.objective, settings.trials)
    limits = Limits(
        trials=settings.trials,
        max_time=settings.max_time,
        max_epochs_total=settings.max_epochs_total,
        gpu_hours=settings.gpu_hours,
        target=settings.target,
        max_failures=settings.max_failures,
    )
    start = [dict(configuration) for configuration in study.start]
    scheduler = Scheduler(
        study.objective,
        sampler,
        stopper,
        limits,
        max_epochs=settings.epochs,
        seed=settings.seed,
        start=start,
        tolerance=Tolerance(settings.retries, settings.trial_timeout, settings.stall_timeout),
        retention=Retention(settings.keep, settings.checkpoint_bytes),
        closing=Closing(settings.finish_best, settings.repeat_best, RELEASE_AFTER),
        # How many are queued depends on how fast things go.
        queues=not settings.deterministic,
    )
    fit_to_gpus(scheduler, settings.gpus)
    return scheduler


def fit_to_gpus(scheduler: Scheduler, gpus: float) -> None:
    """Trials get so many each; a part of one may be widened to the whole."""
    widest = ceil(1 / gpus - 1e-6) if 0 < gpus < 1 else 1
    scheduler.limits = replace(scheduler.limits, gpus_per_trial=gpus)
    scheduler.tolerance = replace(scheduler.tolerance, widest=widest)
