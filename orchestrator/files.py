"""Files that are never seen in part."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Aside, synced, renamed, and the rename synced: it survives a crash of the machine once this returns."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
