"""A small file system of its own for the run directories, which can be filled."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MEGABYTES = 64
BLOCK = 2**16
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
AGAIN = "CHAOS_IN_NAMESPACE"


@contextmanager
def small_disk(path: Path) -> Iterator[str | None]:
    """`path` as a small file system in memory. Gives why that is not possible, where it is not."""
    path.mkdir()
    mounted = _run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "chaos", str(path)])
    try:
        yield mounted
    finally:
        if mounted is None:
            _run(["umount", "--lazy", str(path)])


def fill(path: Path) -> None:
    """To the last byte."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(BLOCK)) == BLOCK:
            pass


def enter_namespace(arguments: Sequence[str]) -> None:
    """Begin this program again where mounting is allowed, if it is not here: as root of a namespace of its own."""
    if AGAIN in os.environ or _can_mount() or _run([*NAMESPACE, "true"]) is not None:
        return
    command = [*NAMESPACE, sys.executable, "-m", "benchmarks.chaos", *arguments]
    os.execvpe(command[0], command, {**os.environ, AGAIN: "1"})


def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder) / "disk") as problem:
        return problem is None


def _run(command: Sequence[str]) -> str | None:
    """What went wrong, on one line."""
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else " ".join(done.stderr.split()) or f"{command[0]} failed"
