"""The one place where the parts are put together: a study and settings in, a finished run out."""

import hashlib
import json as jsonlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import studies
from orchestrator.backends.ray import RayBackend
from orchestrator.display import About, ClusterSummary, Display, make_display
from orchestrator.driver import drive
from orchestrator.errors import UserError, nearest
from orchestrator.journal import FORMAT, Header, Journal
from orchestrator.leaderboard import RESERVED, leaderboard, read_leaderboard, write_csv
from orchestrator.samplers import Exhausted, make_sampler
from orchestrator.scheduler.scheduler import Limits, Scheduler
from orchestrator.scheduler.state import State
from orchestrator.settings import Settings, resolve
from orchestrator.stoppers import make_stopper
from orchestrator.study import Study
from orchestrator.study_file import StudySource, read_study
from orchestrator.workers.actor import Setup
from orchestrator.workers.cluster import Cluster, connect
from orchestrator.workers.data import begin_loading, check_loaded
from orchestrator.workers.link import write_whole
from orchestrator.workers.pool import Pool
from orchestrator.workers.resources import how_many_workers

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
        **settings: trials, epochs, sampler, stopper, seed, workers, cpus_per_trial, gpus_per_trial, address,
            run_dir, max_time, target: over those of the study.

    Raises:
        UserError: The study or a setting is wrong, or (RunFailed) the run could not begin.
    """
    display = display or make_display(quiet=quiet, as_json=json)
    loaded, source = _find(study)
    resolved = resolve(loaded.settings, settings)
    scheduler = _make_scheduler(loaded, resolved)
    display.say(f"Joining the Ray cluster at {resolved.address} …" if resolved.address else "Starting Ray …")
    try:
        with connect(resolved.address) as cluster:
            run_dir = _run_on(cluster, loaded, source, str(study), resolved, scheduler, display)
    finally:
        display.close()
    return Run(run_dir, scheduler.state)


def _run_on(
    cluster: Cluster,
    study: Study,
    source: StudySource | None,
    argument: str,
    settings: Settings,
    scheduler: Scheduler,
    display: Display,
) -> Path:
    workers = how_many_workers(
        cluster.nodes, settings.cpus_per_trial, settings.gpus_per_trial, _most(settings.workers, settings.trials)
    )
    name = study.name or (Path(source.file.path).stem if source else "study")
    with _run_directory(settings.run_dir, name) as run_dir:
        about = About(
            study=name,
            argument=argument if source else None,
            run_dir=run_dir,
            objective=study.objective,
            space=study.space,
            settings=settings,
            workers=workers,
            worker_cpus=settings.cpus_per_trial,
            worker_gpus=settings.gpus_per_trial,
            cluster=_summary(cluster),
            versions=_versions(),
        )
        setup = Setup(
            study=source or study,
            run_dir=str(run_dir),
            proof=_write_study(about, source),
            cpus=settings.cpus_per_trial,
            gpus=settings.gpus_per_trial,
            checkpoint_every=settings.checkpoint_every,
        )
        problem, data = begin_loading(setup.study)
        pool = Pool(run_dir.name, setup, data, workers)
        try:
            pool.start()
            check_loaded(problem)
            _drive(scheduler, pool, run_dir, about, display)
        finally:
            pool.close()
    return run_dir


def _summary(cluster: Cluster) -> ClusterSummary:
    return ClusterSummary(
        nodes=len(cluster.nodes),
        cpus=sum(node.cpus for node in cluster.nodes),
        gpus=sum(node.gpus for node in cluster.nodes),
        address=cluster.address,
        dashboard_url=cluster.dashboard_url,
        local=cluster.local,
    )


def _drive(scheduler: Scheduler, pool: Pool, run_dir: Path, about: About, display: Display) -> None:
    """The run itself, and whatever happens in it, its leaderboard and best model."""
    backend = RayBackend(pool, run_dir)
    journal = Journal(run_dir, _header(about))
    display.open(about, scheduler.state)
    try:
        with _stopping_on_signals(backend.request_stop):
            drive(scheduler, backend, journal, display.watch)
            _write_best(scheduler.state, backend, run_dir, about)
    finally:
        journal.close()
        write_csv(leaderboard(scheduler.state, list(about.space)), run_dir / "leaderboard.csv")


def _find(study: Study | str | Path) -> tuple[Study, StudySource | None]:
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


def _make_scheduler(study: Study, settings: Settings) -> Scheduler:
    """The brain of the run, with a first draw so that a space without configurations is told before anything starts."""
    if taken := [name for name in study.space if name in RESERVED]:
        raise UserError(f"the leaderboard has columns {', '.join(taken)} of its own: rename the hyperparameters")
    sampler = make_sampler(settings.sampler, study.space, settings.seed)
    try:
        sampler.configuration(0)
    except Exhausted as error:
        raise UserError(f"the search space has no configuration: {error}") from error
    stopper = make_stopper(settings.stopper, settings.epochs, study.objective)
    limits = Limits(trials=settings.trials, max_time=settings.max_time, target=settings.target)
    return Scheduler(study.objective, sampler, stopper, limits, max_epochs=settings.epochs, seed=settings.seed)


def _most(workers: int | None, trials: int | None) -> int | None:
    """The most workers that are wanted."""
    return min((n for n in (workers, trials) if n is not None), default=None)


@contextmanager
def _run_directory(given: str | None, name: str) -> Iterator[Path]:
    """A new directory, gone again if the run fails before its first record."""
    parent = Path(given).parent if given else Path("runs")
    path = Path(given) if given else parent / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    made_parent = not parent.exists()
    try:
        if given is None:
            path = _unused(path)
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UserError(f"{path} is not empty: a run needs a new directory, choose another --run-dir")
        for folder in ("checkpoints", "logs", "requests"):
            (path / folder).mkdir()
    except OSError as error:
        raise UserError(f"the run directory {path} cannot be made: {error.strerror}") from error
    try:
        yield path.resolve()
    finally:
        if not (path / "journal.jsonl").exists():
            shutil.rmtree(path)
            if made_parent and not any(parent.iterdir()):
                parent.rmdir()


def _unused(path: Path) -> Path:
    return next(p for n in range(1, 1000) if not (p := path if n == 1 else path.with_name(f"{path.name}-{n}")).exists())


def _write_study(about: About, source: StudySource | None) -> str:
    """`study.json`: what the run was made from. Returns the hash of the file."""
    content = {
        "study": about.study,
        "objective": asdict(about.objective),
        "settings": asdict(about.settings),
        "space": about.space.to_json(),
        "fingerprint": about.space.fingerprint,
        "versions": about.versions,
        "started": time.time(),
        "source": {file.path: file.text for file in [source.file, *source.beside.values()]} if source else {},
    }
    encoded = jsonlib.dumps(content, indent=2).encode()
    write_whole(about.run_dir / "study.json", encoded)
    return hashlib.sha256(encoded).hexdigest()


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
    found = {"python": sys.version.split()[0]}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found


def _write_best(state: State, backend: RayBackend, run_dir: Path, about: About) -> None:
    """`best/`: the first row's configuration, and its model."""
    trial = state.best
    if trial is None or trial.best is None:
        return
    exported = backend.export(trial, EXPORT_SECONDS)
    folder = run_dir / "best"
    folder.mkdir()
    score = about.objective.turn(trial.best.score)
    best = {
        "trial": trial.number,
        "score": score,
        "objective": about.objective.name,
        "epoch": trial.best.epoch,
        "configuration": trial.configuration,
        "seed": trial.assignment.seed,
    }
    if exported.content is not None:
        write_whole(folder / "model.keras", exported.content)
    else:
        best["model"] = f"not written: {exported.problem or 'the study saved no Keras model'}"
    write_whole(folder / "config.json", jsonlib.dumps(best, indent=2).encode())


@contextmanager
def _stopping_on_signals(request_stop: Callable[[str], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the run to end, the second ends it at once."""
    asked: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        request_stop("interrupted by " + ("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name))

    try:
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # Not the main thread: signals are somebody else's.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
