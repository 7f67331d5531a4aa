"""Runs: begun by `launch`, gone on with by `resume`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.assembly import find_study, make_scheduler
from orchestrator.display import Display, make_display
from orchestrator.errors import EXIT_CODES, UserError
from orchestrator.execution import Execution, checkpoints_of, execute, prepare_storage, versions
from orchestrator.interruptions import Interruptions
from orchestrator.journal import fold, is_torn, read_journal
from orchestrator.leaderboard import leaderboard, read_leaderboard, read_state, write_csv
from orchestrator.lock import Lock
from orchestrator.requests import drop_stops_of_run
from orchestrator.resumption import (
    check_is_run,
    damaged_checkpoints,
    find_again,
    plan_lines,
    settings_of,
)
from orchestrator.run_copy import RunCopy, fetch_run
from orchestrator.run_dir import delete_uncommitted, is_written, new_run_dir
from orchestrator.scheduler.events import RunResumed, RunStarted
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.settings import Settings, resolve
from orchestrator.storage import is_url, open_storage
from orchestrator.study import Study
from orchestrator.workers.orphans import end_orphans

if TYPE_CHECKING:
    import pandas as pd


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
        **settings: trials, epochs, sampler, stopper, seed, workers, address, run_dir, max_time, storage …: over those
            of the study; the names are those of the command line's options.

    Raises:
        UserError: The study or a setting is wrong, or (RunFailed) the run could not begin.
    """
    display = display or make_display(quiet=quiet, as_json=json)
    here = Path.cwd()  # Before the study is imported, which may go elsewhere.
    loaded, source = find_study(study)
    resolved = resolve(loaded.settings, settings, _absolute(here, {**loaded.settings, **settings}))
    scheduler = make_scheduler(loaded, resolved)
    name = loaded.name or (Path(source.file.path).stem if source else "study")
    with Interruptions() as interruptions, new_run_dir(here, resolved.run_dir, name) as run_dir:
        if resolved.storage is not None:
            resolved = replace(resolved, storage=prepare_storage(resolved.storage, run_dir))
        execution = Execution(
            study=loaded,
            source=source,
            argument=str(study) if source else None,
            settings=resolved,
            name=name,
            run_dir=run_dir,
            scheduler=scheduler,
            first=[RunStarted(at=0.0)],
        )
        execute(execution, display, interruptions)
    return Run(run_dir, scheduler.state)


def resume(
    run: str | Path,
    *,
    study: Study | str | Path | None = None,
    accept_changes: bool = False,
    display: Display | None = None,
    quiet: bool = False,
    json: bool = False,
    **changes: Any,
) -> Run:
    """Go on with a run that was interrupted, killed or is finished, as if nothing had happened.

    Finished trials are not touched; running ones go on from their last checkpoint; what was decided stays decided.

    Args:
        run: The run directory, or the URL of its copy in a storage, which is fetched into `runs/`.
        study: Where the run's own file cannot be found, or the study was made in Python.
        accept_changes: Go on although the study's code, its space or TensorFlow are not as they were.
        display: As of `launch`, and so are quiet and json.
        **changes: Settings that are to be others; `trials="+50"` means so many more.

    Raises:
        UserError: It is no run, another driver holds it, it differs, or a setting is wrong.
    """
    display = display or make_display(quiet=quiet, as_json=json)
    here = Path.cwd()
    run_dir = _fetched(str(run), here) if is_url(str(run)) else (here / run).resolve()
    fetched_from = str(run).rstrip("/") if is_url(str(run)) else None
    check_is_run(run_dir)
    with Interruptions() as interruptions, _held(run_dir, display) as lock:
        for line in drop_stops_of_run(run_dir):
            display.say(line)
        execution, lines = _resumed(run_dir, lock, study, accept_changes, changes, fetched_from)
        for line in lines:
            display.say(line)
        if execution.first or _lacks_best(execution):
            execute(execution, display, interruptions)
        else:
            with suppress(OSError):  # The journal has it all.
                write_csv(leaderboard(execution.scheduler.state, execution.study.space), run_dir / "leaderboard.csv")
    return Run(run_dir, execution.scheduler.state)


def _resumed(
    run_dir: Path,
    lock: Lock,
    given: Study | str | Path | None,
    accept: bool,
    changes: dict[str, Any],
    fetched_from: str | None,
) -> tuple[Execution, list[str]]:
    """What is to be done, and what to say before it is."""
    header, records = read_journal(run_dir)
    records.close()
    found = find_again(run_dir, header, given, versions())
    if found.differences and not accept:
        raise UserError(
            f"{run_dir} cannot simply go on: {'; '.join(found.differences)}. "
            "Undo that, or go on with it by --accept-changes"
        )
    settings, changed = settings_of(run_dir, header, changes, so_far=lambda: read_state(run_dir)[1])
    if fetched_from is not None and fetched_from != settings.storage:
        settings = replace(settings, storage=fetched_from)
        changed["storage"] = fetched_from
    scheduler = make_scheduler(found.study, settings)
    _fold(scheduler, run_dir, bool(found.differences))
    state = scheduler.state
    lines = ["warning: the last line of the journal was torn by a crash, and is dropped"] if is_torn(run_dir) else []
    first: list[Any] = []
    if _is_over(state) and not changed:
        assert state.finished is not None
        lines.append(
            f"{run_dir} is finished ({state.finished.reason}): go on with --trials +50, --epochs "
            f"{3 * settings.epochs} or --max-time +1h"
        )
    else:
        sizes = _checkpoint_sizes(run_dir, settings, state, accept)
        damaged = list(damaged_checkpoints(state, sizes, settings.epochs))
        lines += plan_lines(run_dir, state, settings, damaged)
        first = [RunResumed(at=state.now, settings=changed, changes=found.differences), *damaged]
    execution = Execution(
        study=found.study,
        source=found.source,
        argument=found.argument,
        settings=settings,
        name=found.name,
        run_dir=run_dir,
        scheduler=scheduler,
        first=first,
        lock=lock,
        rewrite_study=bool(found.differences),
    )
    return execution, lines


def _checkpoint_sizes(run_dir: Path, settings: Settings, state: State, accept: bool) -> dict[str, int]:
    """Of the checkpoints that are there, once it is sure that they are this run's; others' are never touched."""
    storage = None if settings.storage is None else open_storage(settings.storage)
    checkpoints = checkpoints_of(storage, run_dir)
    try:
        if storage is not None:
            RunCopy(run_dir, storage).copy()
        sizes = checkpoints.sizes()
        if state.checkpoint_bytes and not sizes and not accept:
            raise UserError(
                f"none of the run's checkpoints is in {checkpoints.where}: is it mounted? "
                "To begin the trials again that need them, give --accept-changes"
            )
        return delete_uncommitted(state, checkpoints)
    except OSError as error:
        raise UserError(f"the checkpoints in {checkpoints.where} cannot be looked through: {error}") from error


def _fold(scheduler: Scheduler, run_dir: Path, differs: bool) -> None:
    _, records = read_journal(run_dir)
    try:
        fold(run_dir, records, scheduler.take)
    except (ValueError, KeyError, TypeError) as error:
        if not differs:
            raise
        raise UserError(
            f"{run_dir} cannot go on with what has changed: its sampler or stopper does not fit the trials that were "
            f"begun ({type(error).__name__}: {error}): undo the changes, or launch another run"
        ) from error


def _is_over(state: State) -> bool:
    return state.finished is not None and state.finished.outcome == "done"


def _lacks_best(execution: Execution) -> bool:
    """A run that was killed just after its last record."""
    best = execution.scheduler.state.best
    return best is not None and not is_written(execution.run_dir, best)


@contextmanager
def _held(run_dir: Path, display: Display) -> Iterator[Lock]:
    """The run's lock; and what its dead driver left running on this machine is gone."""
    lock = Lock(run_dir)
    before = lock.take()
    try:
        session_dir = before.get("session_dir")
        if orphans := end_orphans(run_dir, session_dir if isinstance(session_dir, str) else None):
            display.say(f"ended what the driver before had left running: {', '.join(orphans)}")
        yield lock
    finally:
        lock.release()


def _fetched(url: str, here: Path) -> Path:
    run_dir = here / "runs" / url.rstrip("/").rpartition("/")[2]
    fetch_run(url, run_dir)
    return run_dir


def _absolute(here: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """A storage that is a path, for workers that are elsewhere."""
    storage = settings.get("storage")
    return {} if not isinstance(storage, str | Path) or is_url(str(storage)) else {"storage": str(here / storage)}
