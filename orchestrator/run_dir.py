"""The run directory: made for one run, and all that the run leaves behind is in it.

study.json        what the run was made from
journal.jsonl     every fact and decision (`journal.py`)
leaderboard.csv   written at the end
best/             model.keras and config.json of the leaderboard's first row
checkpoints/      of trials that are live, and of the best few
logs/             what the workers print
requests/         what other processes ask of the run (`requests.py`)
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.errors import UserError
from orchestrator.files import write_whole
from orchestrator.journal import FILE as JOURNAL
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Trial
from orchestrator.storage import Storage

FOLDERS = ("checkpoints", "logs", "requests")
LONGEST_NAME = 50
"""Characters of up to four bytes, and file systems take 255 of these."""
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that are no files on Windows, whatever follows their first dot."""


@contextmanager
def new_run_dir(here: Path, given: str | None, study: str) -> Iterator[Path]:
    """`given`, or a name of its own below `runs/`; gone again if the run fails before its first record.

    Args:
        here: Where relative paths begin.
        given: The directory, new or empty.
        study: Names it otherwise.

    Raises:
        UserError: It is not empty, or cannot be made.
    """
    path = here / given if given else _unused(here / "runs" / f"{slug(study)}-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UserError(f"{path} is not empty: a run needs a new directory, choose another --run-dir")
        for folder in FOLDERS:
            (path / folder).mkdir()
    except (OSError, ValueError) as error:  # A NUL in the name is the latter.
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"the run directory {str(path)!r} cannot be made ({reason}): choose another --run-dir"
        ) from error
    path = path.resolve()
    try:
        yield path
    finally:
        if not (path / JOURNAL).exists():
            _unmake(path, made)


def slug(study: str) -> str:
    """A study's name as part of the name of a directory: one that lies where it is made, on any file system.

    >>> slug("../../etc/cron.d"), slug("mnist v1.2"), slug("")
    ('etc-cron.d', 'mnist-v1.2', 'study')
    """
    name = re.sub(r"[^\w.-]+", "-", study).lstrip("-.")[:LONGEST_NAME] or "study"
    return f"study-{name}" if name.partition(".")[0].lower() in DEVICES else name


def _unused(path: Path) -> Path:
    names = [path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 1000))]
    return next(name for name in names if not name.exists())


def _unmake(path: Path, made: list[Path]) -> None:
    if not path.exists():
        return  # Somebody was quicker.
    for entry in path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for folder in made:
        if not any(folder.iterdir()):
            folder.rmdir()


def write_study(run_dir: Path, content: dict[str, Any]) -> None:
    """`study.json`."""
    write_whole(run_dir / "study.json", json.dumps(content, indent=2).encode())


def read_study(run_dir: Path) -> dict[str, Any]:
    """What `write_study` wrote."""
    content: dict[str, Any] = json.loads((run_dir / "study.json").read_bytes())
    return content


def proof_of(run_dir: Path) -> str:
    """The hash of `study.json`, by which a worker knows that it sees this directory."""
    return hashlib.sha256((run_dir / "study.json").read_bytes()).hexdigest()


def is_written(run_dir: Path, best: Trial) -> bool:
    """Whether `best/` is this trial's best epoch."""
    try:
        found = json.loads((run_dir / "best" / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    epoch = best.best.epoch if best.best is not None else None
    return isinstance(found, dict) and (found.get("trial"), found.get("epoch")) == (best.number, epoch)


def write_best(run_dir: Path, state: State, model: bytes | None, problem: str) -> None:
    """`best/`: the first row's configuration, and its model or why there is none."""
    trial = state.best
    if trial is None or trial.best is None:
        return
    folder = run_dir / "best"
    folder.mkdir(exist_ok=True)
    content: dict[str, Any] = {
        "trial": trial.number,
        "objective": state.objective.name,
        "score": state.objective.turn(trial.best.score),
        "epoch": trial.best.epoch,
        "configuration": trial.configuration,
        "seed": trial.assignment.seed,
    }
    if model is not None:
        write_whole(folder / "model.keras", model)
    elif is_written(run_dir, trial):
        return  # By the driver before.
    else:
        (folder / "model.keras").unlink(missing_ok=True)
        content["model"] = f"not written: {problem}"
    write_whole(folder / "config.json", json.dumps(content, indent=2).encode())


def delete_uncommitted(state: State, checkpoints: Storage) -> dict[str, int]:
    """The sizes of the checkpoints that are there; files that the journal does not know, or no longer, are deleted."""
    sizes = checkpoints.sizes()
    known = {checkpoint.name for trial in state.trials for checkpoint in trial.checkpoints}
    for name in sizes.keys() - known:
        checkpoints.delete(name)
    return {name: size for name, size in sizes.items() if name in known}
