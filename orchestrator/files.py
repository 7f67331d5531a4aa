"""Files that are never seen in part."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Aside, synced, renamed: it survives a crash once this returns."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
