"""The run directory: made for one run, and all that the run leaves behind is in it.

study.json        what the run was made from
journal.jsonl     every fact and decision (`journal.py`)
leaderboard.csv   written at the end
best/             model.keras and config.json of the leaderboard's first row
checkpoints/      of trials that are live, and of the best one
logs/             what the workers print
requests/         where other processes may ask things of the run; nothing is asked yet
"""

import hashlib
import json
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

FOLDERS = ("checkpoints", "logs", "requests")


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
    path = here / given if given else _unused(here / "runs" / f"{study}-{time.strftime('%Y%m%d-%H%M%S')}")
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise UserError(f"{path} is not empty: a run needs a new directory, choose another --run-dir")
        for folder in FOLDERS:
            (path / folder).mkdir()
    except OSError as error:
        raise UserError(
            f"the run directory {path} cannot be made ({error.strerror}): choose another --run-dir"
        ) from error
    path = path.resolve()
    try:
        yield path
    finally:
        if not (path / JOURNAL).exists():
            _unmake(path, made)


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


def write_study(run_dir: Path, content: dict[str, Any]) -> str:
    """`study.json`. Returns the hash of the file, by which a worker knows that it sees this directory."""
    encoded = json.dumps(content, indent=2).encode()
    write_whole(run_dir / "study.json", encoded)
    return hashlib.sha256(encoded).hexdigest()


def write_best(run_dir: Path, state: State, model: bytes | None, problem: str) -> None:
    """`best/`: the first row's configuration, and its model or why there is none."""
    trial = state.best
    if trial is None or trial.best is None:
        return
    folder = run_dir / "best"
    folder.mkdir()
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
    else:
        content["model"] = f"not written: {problem}"
    write_whole(folder / "config.json", json.dumps(content, indent=2).encode())
