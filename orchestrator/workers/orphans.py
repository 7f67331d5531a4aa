"""What a driver that was killed left running on this host, and its end.

Two kinds of processes, and nothing else is touched:

- workers of the run, and what the study's code started in them: they print to a `worker-*` file in the run's `logs/`;
- the driver's own Ray session: they write in its directory, or are programs of Ray that were given it.

The names of both come from files, which may be wrong: a session directory is believed only if it is named like one and
the process that is part of the name, which started it, is gone.
"""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil

SECONDS_TO_GO = 5.0
ROUNDS = 3
"""Looked for again, since those that are ended may just have started others."""
RAY_PARTS = {"core", "dashboard", "_private", "autoscaler", "util"}
"""Of the `ray` package: where its programs are."""
SESSION = re.compile(r"session_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)_\d+_(\d+)")


def end_orphans(run_dir: Path, session_dir: str | None) -> list[str]:
    """End at once what a dead driver left running on this host, and say what it was.

    To be called only when no driver holds the run.

    Args:
        run_dir: Of the run.
        session_dir: Of the Ray cluster that the dead driver started for itself.
    """
    logs = run_dir.resolve() / "logs"
    session = _dead_session(session_dir)
    ended: dict[int, str] = {}
    for _ in range(ROUNDS):
        orphans = _orphans(logs, session)
        if not orphans:
            break
        for process in orphans:
            with suppress(psutil.Error):
                ended.setdefault(process.pid, f"{_title(process)} (pid {process.pid})")
                process.kill()
        psutil.wait_procs(orphans, timeout=SECONDS_TO_GO)
    return [ended[pid] for pid in sorted(ended)]


def _orphans(logs: Path, session: Path | None) -> list[psutil.Process]:
    """Those found, and all that they started."""
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        # Another user's processes cannot be looked into, and others end while being looked at.
        with suppress(psutil.Error, OSError):
            if _is_left_behind(process, logs, session):
                found[process.pid] = process
                found |= {child.pid: child for child in process.children(recursive=True)}
    return [process for pid, process in found.items() if pid not in spared and _lives(process)]


def _is_left_behind(process: psutil.Process, logs: Path, session: Path | None) -> bool:
    for file in process.open_files():
        path = Path(file.path)
        if file.fd in (1, 2) and path.parent == logs and path.name.startswith("worker-"):
            return True
        # Whoever only reads there is somebody who looks.
        if session is not None and getattr(file, "mode", "w") != "r" and path.is_relative_to(session):
            return True
    return session is not None and _is_program_of(process.cmdline(), session)


def _is_program_of(command: list[str], session: Path) -> bool:
    values = [Path(argument.partition("=")[2] or argument) for argument in command]
    return any(_is_of_ray(Path(word), session) for word in command[:4]) and any(
        value.is_relative_to(session) for value in values
    )


def _is_of_ray(program: Path, session: Path) -> bool:
    parts = program.parts
    return not program.is_relative_to(session.parent) and any(
        part == "ray" and following in RAY_PARTS for part, following in pairwise(parts)
    )


def _dead_session(session_dir: object) -> Path | None:
    """Whatever a file says it is."""
    if not isinstance(session_dir, str) or (name := SESSION.fullmatch(Path(session_dir).name)) is None:
        return None
    try:
        began = time.mktime(time.strptime(name[1], "%Y-%m-%d_%H-%M-%S"))
        path = Path(session_dir).resolve()
        starter = psutil.Process(int(name[2]))
        # A later process may have got the same pid.
        if _lives(starter) and starter.create_time() <= began + 1:
            return None
    except psutil.NoSuchProcess:
        pass
    except (ValueError, OverflowError, OSError):
        return None
    return path if Path(session_dir).is_absolute() else None


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _title(process: psutil.Process) -> str:
    """Ray's processes have titles in the place of commands, and long commands otherwise."""
    return " ".join(_words(process.cmdline())) or process.name()


def _words(command: list[str]) -> Iterator[str]:
    """The program and its script, without folders and options."""
    for word in command[:4]:
        if word.strip() and not word.startswith("-"):
            yield Path(word).name.strip()[:60]
