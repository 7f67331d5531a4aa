"""`Study(files=[…])`: what a study reads from beside its file, carried to where its code runs.

They are small things such as a vocabulary or a table of classes. Where a node does not have them as they are here, they
are written into a folder of the worker's own, the study's code with them, so that `Path(__file__).parent` finds them.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from orchestrator.errors import UserError

MOST_BYTES = 16 * 10**6

Files = dict[str, bytes]
"""By their path within the study's folder, with forward slashes."""


def read_files(names: Sequence[str], folder: Path) -> Files:
    """Those that a study names, and all that is in folders among them.

    Raises:
        UserError: One is missing, is not in the folder of the study, or all together are too large.
    """
    found: Files = {}
    left = MOST_BYTES
    for name in names:
        for path in _below(name, folder):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise UserError(f"files: {path} cannot be read: {error.strerror}") from error
            found[path.relative_to(folder).as_posix()] = content
            if (left := left - len(content)) < 0:
                raise UserError(
                    f"files: {name} makes them larger than {MOST_BYTES / 1e6:g} MB together: load large data in "
                    "data(), which is carried once for each node"
                )
    return found


def _below(name: str, folder: Path) -> Iterator[Path]:
    path = folder / name
    if PurePath(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"files: {name!r} is not in the folder of the study: name it relative to that")
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (one for one in sorted(path.rglob("*")) if one.is_file() and "__pycache__" not in one.parts)
    else:
        raise UserError(f"files: there is no {path}")


def are_there(files: Mapping[str, bytes], folder: Path) -> bool:
    """As they are here."""
    try:
        return all((folder / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def to_text(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def from_text(texts: Mapping[str, str]) -> Files:
    return {name: base64.b64decode(text) for name, text in texts.items()}
