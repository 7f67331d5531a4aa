"""A run on Ray, from connecting to the cluster to the leaderboard and the best model; begun or resumed."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.assembly import fit_to_gpus
from orchestrator.attachments import to_text
from orchestrator.backends.ray import RayBackend
from orchestrator.display import About, ClusterSummary, Display
from orchestrator.display.words import resume_command
from orchestrator.driver import drive
from orchestrator.errors import RunFailed, UserError
from orchestrator.installed import installed
from orchestrator.interruptions import Interruptions, WaitingForRoom
from orchestrator.journal import FORMAT, Header, Journal
from orchestrator.leaderboard_file import LeaderboardFile
from orchestrator.lock import Lock
from orchestrator.placement import how_many_workers, measured_gpus, most_workers, worker_size
from orchestrator.requests import Requests
from orchestrator.run_copy import RunCopy
from orchestrator.run_dir import delete_uncommitted, proof_of, read_study, write_best, write_study
from orchestrator.run_metrics import RunMetrics
from orchestrator.scheduler.events import Event
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.settings import Settings
from orchestrator.storage import Storage, open_storage, prepare
from orchestrator.study import Study
from orchestrator.study_file import StudySource
from orchestrator.workers.actor import Setup
from orchestrator.workers.cluster import Cluster, connect
from orchestrator.workers.data import begin_loading, check_loaded
from orchestrator.workers.examination.inspection import Comparison
from orchestrator.workers.metrics import Exporter
from orchestrator.workers.nodes import is_autoscaled
from orchestrator.workers.pool import Pool
from orchestrator.workers.resources import left_over
from orchestrator.workers.shipping import Shipped, ship

EXPORT_SECONDS = 60.0
MOST_BATCHES = 50.0
"""Of reports, in a second, that all workers together send while nobody waits for them. Each costs the driver half a
millisecond, whatever is in it."""
LONGEST_GATHERING = 5.0
"""Seconds that a report may be on its way, with hundreds of workers."""
LIBRARIES = ("ray", "tensorflow", "keras", "numpy", "pandas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What is to be run, and from where on."""

    study: Study
    source: StudySource | None
    argument: str | None
    """What names the study on the command line."""
    settings: Settings
    name: str
    run_dir: Path
    scheduler: Scheduler
    first: Sequence[Event]
    """What happens first; nothing if the run is over, and only what it leaves behind is missing."""
    lock: Lock | None = None
    """Of a run that is resumed."""
    rewrite_study: bool = True


def execute(execution: Execution, display: Display, interruptions: Interruptions) -> None:
    """Carry a run to its end.

    Raises:
        UserError: Something is wrong that shows only now, or (RunFailed) the run cannot go on.
    """
    settings = execution.settings
    storage = None if settings.storage is None else open_storage(settings.storage)
    host = {} if settings.dashboard_host is None else {"dashboard_host": settings.dashboard_host}
    shipped = execution.source is not None
    job = {"job_name": execution.name, "study": execution.name, "run_dir": str(execution.run_dir)}
    try:
        with connect(settings.address, display.say, study_is_shipped=shipped, metadata=job, **host) as cluster:
            interruptions.listen()
            versions_of_nodes = Comparison(cluster)
            study = ship(execution.study, execution.source)
            loading = begin_loading(execution.study, study)
            if settings.gpus_per_trial == "auto":
                gpus = measured_gpus(cluster, settings, execution.study.space, study, loading[1], display.say)
                fit_to_gpus(execution.scheduler, gpus)
                execution = replace(execution, settings=replace(settings, gpus_per_trial=gpus))
            about = _about(execution, cluster)
            display.open(about, execution.scheduler.state)
            for line in left_over(cluster.nodes, worker_size(execution.settings), execution.study.build is not None):
                display.say(line)
            with _working(execution, about, storage, study, loading) as pool:
                if warning := versions_of_nodes.finish(for_keras=execution.study.build is not None):
                    display.say(warning)
                _drive(execution, about, pool, storage, display, interruptions)
    except OSError as error:
        raise RunFailed(f"the run cannot go on: {error}; {_how_to_go_on(execution)}") from error
    finally:
        display.close()


def prepare_storage(where: str, run_dir: Path) -> str:
    """Where in the storage a new run will be.

    Raises:
        UserError: It cannot be there.
    """
    try:
        storage = open_storage(where).folder(run_dir.name)
    except ValueError as error:
        raise UserError(f"the run directory's name cannot be one in the storage: {error}; choose another") from None
    prepare(storage)
    return storage.where


def checkpoints_of(storage: Storage | None, run_dir: Path) -> Storage:
    return open_storage(run_dir / "checkpoints") if storage is None else storage.folder("checkpoints")


@contextmanager
def _working(
    execution: Execution, about: About, storage: Storage | None, study: Shipped, loading: tuple[Any, Any]
) -> Iterator[Pool]:
    """A pool whose workers are starting, and data that is in order."""
    settings, run_dir = about.settings, about.run_dir
    before = {} if execution.rewrite_study else read_study(run_dir)
    write_study(run_dir, (before or _description(execution, about)) | _surroundings(about))
    setup = Setup(
        study=study,
        run_dir=str(run_dir),
        proof=proof_of(run_dir),
        size=worker_size(settings),
        checkpoint_every=settings.checkpoint_every,
        loop=settings.loop,
        storage=None if storage is None else storage.where,
        deterministic=settings.deterministic,
        gather=min(about.workers / MOST_BATCHES, LONGEST_GATHERING),
    )
    problem, data = loading
    pool = Pool(run_dir.name, setup, data, about.workers, most_workers(settings), asks=is_autoscaled())
    try:
        pool.start()
        check_loaded(problem)
        yield pool
    finally:
        pool.close()


def _drive(
    execution: Execution,
    about: About,
    pool: Pool,
    storage: Storage | None,
    display: Display,
    interruptions: Interruptions,
) -> None:
    """The run itself, and however it ends, its leaderboard and best model."""
    scheduler, run_dir = execution.scheduler, execution.run_dir
    state = scheduler.state
    about_us = {"session_dir": about.cluster.session_dir}
    if execution.lock is None:
        journal = Journal.create(run_dir, _header(about), **about_us)
    else:
        execution.lock.note(**about_us)
        journal = Journal.reopen(run_dir, execution.lock)
    table = LeaderboardFile(run_dir / "leaderboard.csv", state, about.space)
    metrics = RunMetrics(state, Exporter(run_dir.name).tell)

    def watch(records: list[Record]) -> None:
        display.watch(records)
        table.watch()
        metrics.watch(records)

    hold = WaitingForRoom(display.say, interruptions, _how_to_go_on(execution))
    try:
        with _copied(run_dir, storage, about.settings.storage_every, interruptions, display.say) as run_copy:
            checkpoints = checkpoints_of(storage, run_dir)
            discard = checkpoints.delete if run_copy is None else run_copy.discard
            first = execution.first
            requests = Requests(run_dir, state, display.say)
            backend = RayBackend(pool, scheduler.sampler, checkpoints, first, hold, display.say, discard, requests)
            interruptions.ask = backend.request_stop
            try:
                if first:
                    drive(scheduler, backend, journal, watch, backend.hold)
                    if storage is None:  # There the copy of the journal has to know first.
                        with suppress(OSError):
                            delete_uncommitted(state, checkpoints)
                if state.best is not None:
                    exported = backend.export(state.best, state.idle if first else (), EXPORT_SECONDS)
                    write_best(run_dir, state, exported.content, exported.problem or "the study saved no Keras model")
            finally:
                backend.close()
                metrics.close()
                with suppress(OSError):  # The journal has it all; "leaderboard RUN_DIR" shows it.
                    table.write()
    finally:
        journal.close()
    display.close()


@contextmanager
def _copied(
    run_dir: Path,
    storage: Storage | None,
    every: float,
    interruptions: Interruptions,
    say: Callable[[str], None],
) -> Iterator[RunCopy | None]:
    """A thread that copies the journal into the storage now and then, and once more at the end."""
    if storage is None:
        yield None
        return
    run_copy = RunCopy(run_dir, storage)
    run_copy.copy()
    ended = threading.Event()
    refusal = ""

    def copy() -> None:
        nonlocal refusal
        try:
            run_copy.copy()
            refusal = ""
        except (OSError, UserError) as error:
            if str(error) != refusal:
                refusal = str(error)
                say(f"warning: the copy in the storage is behind: {refusal}")
            if isinstance(error, UserError):
                ended.set()
                with suppress(KeyboardInterrupt):
                    interruptions.interrupt(refusal)

    def copy_now_and_then() -> None:
        while not ended.wait(every):
            copy()

    thread = threading.Thread(target=copy_now_and_then, name="run copy", daemon=True)
    thread.start()
    try:
        yield run_copy
    finally:
        ended.set()
        thread.join()
        copy()


def _how_to_go_on(execution: Execution) -> str:
    return f"go on with: {resume_command(execution.run_dir)}"


def _about(execution: Execution, cluster: Cluster) -> About:
    study, settings = execution.study, execution.settings
    return About(
        study=execution.name,
        argument=execution.argument,
        run_dir=execution.run_dir,
        objective=study.objective,
        space=study.space,
        settings=settings,
        workers=how_many_workers(cluster, settings),
        worker_cpus=settings.cpus_per_trial,
        worker_gpus=settings.gpus,
        cluster=ClusterSummary(
            nodes=len(cluster.nodes),
            cpus=sum(node.cpus for node in cluster.nodes),
            gpus=sum(node.gpus for node in cluster.nodes),
            address=cluster.address,
            dashboard_url=cluster.dashboard_url,
            local=cluster.local,
            session_dir=cluster.session_dir,
        ),
        search_size=execution.scheduler.sampler.size(),
        versions=versions(),
    )


def _description(execution: Execution, about: About) -> dict[str, Any]:
    source = execution.source
    return {
        "study": about.study,
        "argument": about.argument,
        "objective": asdict(about.objective),
        "settings": asdict(about.settings),
        "space": about.space.to_json(),
        "fingerprint": about.space.fingerprint,
        "versions": about.versions,
        "started": time.time(),
        "source": {file.path: file.text for file in [source.file, *source.beside.values()]} if source else {},
        "modules": {name: file.path for name, file in source.beside.items()} if source else {},
        "files": to_text(source.files) if source else {},
    }


def _surroundings(about: About) -> dict[str, Any]:
    """Where the run is now, for those who watch it from elsewhere."""
    return {
        "workers": about.workers,
        "worker_cpus": about.worker_cpus,
        "worker_gpus": about.worker_gpus,
        "cluster": asdict(about.cluster),
        "search_size": about.search_size,
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


def versions() -> dict[str, str]:
    """Without importing anything."""
    return {"orchestrator": __version__} | {name: found or "unknown" for name, found in installed(LIBRARIES).items()}
