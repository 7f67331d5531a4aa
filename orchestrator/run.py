"""The one place where the parts are put together: a study and settings in, a finished run out."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orchestrator import __version__, studies
from orchestrator.backends.ray import RayBackend
from orchestrator.display import About, ClusterSummary, Display, make_display
from orchestrator.driver import drive
from orchestrator.errors import RunFailed, UserError, nearest
from orchestrator.journal import FORMAT, Header, Journal
from orchestrator.leaderboard import RESERVED, leaderboard, read_leaderboard, write_csv
from orchestrator.run_dir import new_run_dir, write_best, write_study
from orchestrator.samplers import Exhausted, make_sampler
from orchestrator.samplers.random import RandomSampler
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.settings import Settings, resolve
from orchestrator.stoppers import make_stopper
from orchestrator.study import Study
from orchestrator.study_file import StudySource, read_study
from orchestrator.workers.actor import Setup
from orchestrator.workers.cluster import Cluster, connect
from orchestrator.workers.data import begin_loading, check_loaded
from orchestrator.workers.pool import Pool
from orchestrator.workers.resources import how_many_workers
from orchestrator.workers.shipping import ship

if TYPE_CHECKING:
    import pandas as pd

EXIT_CODES = {"done": 0, "failed": 1, "interrupted": 130}
EXPORT_SECONDS = 60.0
LIBRARIES = ("ray", "tensorflow", "keras", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a study, in its own directory."""

    dir: Path
    state: State

    @property
    def exit_code(self) -> int:
        assert self.state.finished is not None
        return EXIT_CODES[self.state.finished.outcome]

    def leaderboard(self) -> "pd.DataFrame":
        """Every trial's row, the best first."""
        return read_leaderboard(self.dir)

    def best_model(self) -> Any:
        """The Keras model of the first row, compiled, with the weights of its best epoch.

        Raises:
            UserError: The run has none.
        """
        path = self.dir / "best" / "model.keras"
        if not path.exists():
            raise UserError(f"{self.dir} has no best model: no trial reached a score whose weights could be kept")
        from orchestrator.training.models import load_keras_file

        return load_keras_file(path)


def launch(
    study: Study | str | Path = "digits_mlp",
    *,
    display: Display | None = None,
    quiet: bool = False,
    json: bool = False,
    **settings: Any,
) -> Run:
    """Run a study to its end: train its trials on Ray, write the run directory, return the run.

    Args:
        study: A `Study`, the path of a file that defines one, or the name of a shipped one.
        display: Where progress is shown; chosen by `quiet`, `json` and the terminal unless given.
        quiet: Show nothing but the end.
        json: Show one JSON object a line.
        **settings: trials, epochs, sampler, points, repeats, stopper, seed, workers, cpus_per_trial, gpus_per_trial,
            address, run_dir, max_time, max_epochs_total, gpu_hours, target: over those of the study.

    Raises:
        UserError: The study or a setting is wrong, or (RunFailed) the run could not begin.
    """
    display = display or make_display(quiet=quiet, as_json=json)
    here = Path.cwd()  # Before the study is imported, which may go elsewhere.
    loaded, source = find_study(study)
    resolved = resolve(loaded.settings, settings)
    scheduler = make_scheduler(loaded, resolved)
    name = loaded.name or (Path(source.file.path).stem if source else "study")
    try:
        with (
            Interruptions() as interruptions,
            new_run_dir(here, resolved.run_dir, name) as run_dir,
            connect(resolved.address, display.say, study_is_shipped=source is not None) as cluster,
        ):
            interruptions.listen()
            about = About(
                study=name,
                argument=str(study) if source else None,
                run_dir=run_dir,
                objective=loaded.objective,
                space=loaded.space,
                settings=resolved,
                workers=_how_many_workers(cluster, resolved),
                worker_cpus=resolved.cpus_per_trial,
                worker_gpus=resolved.gpus_per_trial,
                cluster=_summary(cluster),
                search_size=scheduler.sampler.size(),
                versions=_versions(),
            )
            display.open(about, scheduler.state)
            with _working(about, loaded, source) as pool:
                _drive(scheduler, pool, about, display, interruptions)
    except OSError as error:
        raise RunFailed(f"the run cannot go on: {error}") from error
    finally:
        display.close()
    return Run(run_dir, scheduler.state)


@contextmanager
def _working(about: About, study: Study, source: StudySource | None) -> Iterator[Pool]:
    """A pool whose workers are starting, and data that is in order."""
    settings = about.settings
    setup = Setup(
        study=ship(study, source),
        run_dir=str(about.run_dir),
        proof=write_study(about.run_dir, _description(about, source)),
        cpus=settings.cpus_per_trial,
        gpus=settings.gpus_per_trial,
        checkpoint_every=settings.checkpoint_every,
    )
    problem, data = begin_loading(setup.study)
    pool = Pool(about.run_dir.name, setup, data, about.workers)
    try:
        pool.start()
        check_loaded(problem)
        yield pool
    finally:
        pool.close()


def _drive(scheduler: Scheduler, pool: Pool, about: About, display: Display, interruptions: "Interruptions") -> None:
    """The run itself, and however it ends, its leaderboard and best model."""
    state, run_dir = scheduler.state, about.run_dir
    backend = RayBackend(pool, run_dir, scheduler.sampler)
    journal = Journal(run_dir, _header(about))
    interruptions.ask = backend.request_stop
    try:
        drive(scheduler, backend, journal, display.watch)
        if state.best is not None:
            exported = backend.export(state.best, state.idle, EXPORT_SECONDS)
            write_best(run_dir, state, exported.content, exported.problem or "the study saved no Keras model")
    finally:
        backend.close()
        journal.close()
        write_csv(leaderboard(state, list(about.space)), run_dir / "leaderboard.csv")
    display.close()


class Interruptions:
    """Ctrl-C or SIGTERM: the first asks the run to end, once there is one to ask, and the second ends it at once."""

    def __init__(self) -> None:
        self.ask: Callable[[str], None] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.listen()
        return self

    def listen(self) -> None:
        """Again once Ray is there, which puts its own handler in the place of ours."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.signal(number, self._hear)
                self._before.setdefault(number, before)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: object) -> None:
        ask, self.ask = self.ask, None
        if ask is None:
            raise KeyboardInterrupt
        ask("interrupted by " + ("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name))


def find_study(study: Study | str | Path) -> tuple[Study, StudySource | None]:
    """A study as an object, from a file, or by its shipped name."""
    if isinstance(study, Study):
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
        gpus_per_trial=settings.gpus_per_trial,
        target=settings.target,
    )
    start = [dict(configuration) for configuration in study.start]
    return Scheduler(
        study.objective, sampler, stopper, limits, max_epochs=settings.epochs, seed=settings.seed, start=start
    )


def _how_many_workers(cluster: Cluster, settings: Settings) -> int:
    wanted = [number for number in (settings.workers, settings.trials) if number is not None]
    return how_many_workers(cluster.nodes, settings.cpus_per_trial, settings.gpus_per_trial, min(wanted, default=None))


def _summary(cluster: Cluster) -> ClusterSummary:
    return ClusterSummary(
        nodes=len(cluster.nodes),
        cpus=sum(node.cpus for node in cluster.nodes),
        gpus=sum(node.gpus for node in cluster.nodes),
        address=cluster.address,
        dashboard_url=cluster.dashboard_url,
        local=cluster.local,
    )


def _description(about: About, source: StudySource | None) -> dict[str, Any]:
    return {
        "study": about.study,
        "objective": asdict(about.objective),
        "settings": asdict(about.settings),
        "space": about.space.to_json(),
        "fingerprint": about.space.fingerprint,
        "versions": about.versions,
        "started": time.time(),
        "source": {file.path: file.text for file in [source.file, *source.beside.values()]} if source else {},
    }


def _header(about: About) -> Header:
    return Header(
        format=FORMAT,
        study=about.study,
        objective=about.objective.name,
        direction=about.objective.direction,
        seed=about.settings.seed,
        fingerprint=about.space.fingerprint,
        hyperparameters=list(about.space),
        versions=about.versions,
        started=time.time(),
        settings=asdict(about.settings),
    )


def _versions() -> dict[str, str]:
    """Without importing anything."""
    found = {"orchestrator": __version__, "python": sys.version.split()[0]}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found
