"""Files that are never seen in part."""

import errno
import os
from contextlib import suppress
from pathlib import Path

CANNOT_SYNC_FOLDERS = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
"""The answers of file systems (some FUSE and network ones) on which a rename needs no sync of its folder."""


def write_whole(path: Path, content: bytes) -> None:
    """Aside, synced, renamed, and the rename synced: it survives a crash of the machine once this returns.

    Raises:
        OSError: The disk is full, or it is refused; what was there before is as it was, and nothing lies beside it.
    """
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in CANNOT_SYNC_FOLDERS:
            raise
    finally:
        os.close(folder)
