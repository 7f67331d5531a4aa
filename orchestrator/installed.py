"""Which versions are installed, told without importing anything."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def installed(libraries: Iterable[str]) -> dict[str, str | None]:
    """Of these libraries, and of Python first; None where one is missing."""
    return {"python": platform.python_version()} | {library: _version(library) for library in libraries}


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
