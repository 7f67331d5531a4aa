"""`watch`: a run that another process drives, seen from here. It only reads, so any shared folder will do."""

import time
from pathlib import Path

import msgspec

from orchestrator.display import About, ClusterSummary, Display
from orchestrator.display.words import resume_command, shown_path
from orchestrator.errors import EXIT_CODES, RunFailed, UserError
from orchestrator.journal import FILE, Growing, Header
from orchestrator.lock import holder_of
from orchestrator.objective import Objective
from orchestrator.resumption import read_description, settings_of
from orchestrator.run_dir import FOLDERS
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.storage import is_url
from search_spaces import Space, SpaceError

LOOK_SECONDS = 0.5


class Surroundings(msgspec.Struct, frozen=True):
    """What `study.json` says of where its run is. Those of older versions do not say it."""

    workers: int = 0
    worker_cpus: float = 1.0
    worker_gpus: float = 0.0
    cluster: ClusterSummary = ClusterSummary(
        nodes=0, cpus=0.0, gpus=0.0, address="not recorded", dashboard_url=None, local=False
    )
    search_size: int | None = None


def watch(run: str | Path, display: Display) -> int:
    """Show a run from where it is now until it is finished. Returns the run's own exit code.

    Raises:
        UserError: It is no run directory, or (RunFailed) nobody drives the run any more.
        KeyboardInterrupt: Somebody has seen enough; the run is not touched.
    """
    if is_url(str(run)):
        raise UserError(f"{run} is a copy in a storage, and watch reads a run directory, such as one that is shared")
    run_dir = Path(run).resolve()
    _wait_until_begun(run_dir, display)
    journal = Growing(run_dir)
    state = State(Objective(journal.header.objective, journal.header.direction))
    display.open(_about(run_dir, journal.header, state), state)

    def catch_up(record: Record) -> None:
        state.apply(record)
        display.progress.take([record])

    try:
        while records := journal.read():
            journal.fold(records, catch_up)
        _follow(run_dir, journal, state, display)
    finally:
        display.close()
    if state.finished is None:
        raise RunFailed(f"nobody drives {shown_path(run_dir)} any more; go on with: {resume_command(run_dir)}")
    return EXIT_CODES[state.finished.outcome]


def _wait_until_begun(run_dir: Path, display: Display) -> None:
    """A launch makes the directory at once, and the journal when Ray is there."""
    if (run_dir / FOLDERS[0]).is_dir() and not (run_dir / FILE).exists():
        display.say(f"{shown_path(run_dir)} has not begun yet: its driver is joining Ray, or died")
        while run_dir.is_dir() and not (run_dir / FILE).exists():
            time.sleep(LOOK_SECONDS)
    if not run_dir.is_dir():
        raise UserError(f"{run_dir}: there is no such run directory (a launch that fails early leaves none)")


def _follow(run_dir: Path, journal: Growing, state: State, display: Display) -> None:
    """Until nobody drives the run. After its last record a driver still writes the best model."""
    while True:
        is_driven = bool(holder_of(run_dir))  # Before the journal is read: its last words come first.
        records = journal.read()
        journal.fold(records, state.apply)
        display.watch(records)
        if not is_driven and not records:
            return
        time.sleep(0.0 if not is_driven else LOOK_SECONDS)


def _about(run_dir: Path, header: Header, state: State) -> About:
    description = read_description(run_dir)
    settings, _ = settings_of(run_dir, header, {}, so_far=lambda: state)
    try:
        known = {name: description[name] for name in Surroundings.__struct_fields__ if name in description}
        surroundings = msgspec.convert(known, Surroundings)
        # The functions of its constraints are not needed to look at a run.
        space = Space.from_json({**description["space"], "constraints": []})
    except (ValueError, KeyError, TypeError, SpaceError) as error:
        raise UserError(f"{run_dir}/study.json is damaged: {error}") from None
    return About(
        study=header.study,
        argument=description.get("argument"),
        run_dir=run_dir,
        objective=state.objective,
        space=space,
        settings=settings,
        workers=surroundings.workers,
        worker_cpus=surroundings.worker_cpus,
        worker_gpus=surroundings.worker_gpus,
        cluster=surroundings.cluster,
        search_size=surroundings.search_size,
        versions=header.versions,
    )
