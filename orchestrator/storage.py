"""Where checkpoints live: a folder, or a URL that fsspec knows (S3, GCS, Azure, SFTP, …).

A storage is one folder of plain files, each seen whole or not at all. All that goes wrong with it later is an OSError
of one line, whatever library it comes from, so that who writes can wait and try again.
"""

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from orchestrator.errors import UserError, nearest
from orchestrator.files import write_whole

AZURE = {"abfs", "abfss", "az"}
# On these a put is seen whole or not at all, and there are no folders to make.
OBJECT_STORES = AZURE | {"gcs", "gs", "oci", "oss", "s3", "s3a", "tos"}
LOCAL = {"file", "local"}
LONGEST_NAME = 250
LONGEST_REASON = 300

SECRETS = [
    (re.compile(r"(?<=://)[^/@\s]*@"), "***@"),
    (
        re.compile(r"(?i)\b([\w-]*(?:key|secret|token|password|passwd|signature|credential|sig)[\w-]*\s*[=:]\s*)\S+"),
        r"\1***",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "***"),
]


class Storage(Protocol):
    """One folder of whole files. Everything but `folder` raises OSError when the storage refuses."""

    @property
    def where(self) -> str:
        """For people, and for `open_storage` on another machine."""

    @property
    def is_local(self) -> bool:
        """A folder that this machine sees, its own or a shared one."""

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all; what had the name before is replaced."""

    def read(self, name: str) -> bytes:
        """FileNotFoundError if there is none."""

    def delete(self, name: str) -> None:
        """Fine if there is none."""

    def sizes(self) -> dict[str, int]:
        """Every file's bytes; none if the folder is not there yet."""

    def folder(self, name: str) -> "Storage":
        """The folder of that name in this one, which the first write makes."""


class Folder:
    """A folder of this machine, or of a file system that the machines share.

    It is made when it is first written to, but what the opened one lies in is not: where that is missing, a share is
    not mounted, and there is no disk of this machine to be filled in its place.
    """

    is_local = True

    def __init__(self, path: Path, opened: Path | None = None) -> None:
        self.path = path
        self._opened = opened or path

    @property
    def where(self) -> str:
        return str(self.path)

    def write(self, name: str, content: bytes) -> None:
        path = self.path / check_name(name)
        try:
            write_whole(path, content)
        except FileNotFoundError:
            self._opened.mkdir(exist_ok=True)
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)

    def read(self, name: str) -> bytes:
        return (self.path / check_name(name)).read_bytes()

    def delete(self, name: str) -> None:
        (self.path / check_name(name)).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        if not self.path.exists() and self._opened.parent.exists():
            return {}
        with os.scandir(self.path) as entries:
            return {
                entry.name: entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if is_name(entry.name) and entry.is_file(follow_symlinks=False)
            }

    def folder(self, name: str) -> "Folder":
        return Folder(self.path / check_name(name), self._opened)


class Remote:
    """A folder behind a URL."""

    is_local = False

    def __init__(self, url: str, path: str) -> None:
        self.where = url
        self._path = path

    @property
    def _files(self) -> Any:
        """This thread's own: fsspec keeps one for each, and not every implementation may be shared."""
        from fsspec.core import url_to_fs

        return url_to_fs(self.where)[0]

    def write(self, name: str, content: bytes) -> None:
        path = f"{self._path}/{check_name(name)}"
        with _one_line():
            files = self._files
            if self.where.partition("://")[0] in OBJECT_STORES:
                files.pipe_file(path, content)
            else:
                _put_aside_and_move(files, path, content)

    def read(self, name: str) -> bytes:
        path = f"{self._path}/{check_name(name)}"
        with _one_line(), self._missing_told_apart(name):
            return bytes(self._files.cat_file(path))

    def delete(self, name: str) -> None:
        path = f"{self._path}/{check_name(name)}"
        with _one_line(), suppress(FileNotFoundError), self._missing_told_apart(name):
            self._files.rm_file(path)

    def sizes(self) -> dict[str, int]:
        with _one_line():
            files = self._files
            files.invalidate_cache()
            try:
                entries = files.ls(self._path, detail=True)
            except FileNotFoundError:
                return {}
        found = {str(entry["name"]).rpartition("/")[2]: entry for entry in entries if entry["type"] == "file"}
        return {name: int(entry["size"] or 0) for name, entry in found.items() if is_name(name)}

    @contextmanager
    def _missing_told_apart(self, name: str) -> Iterator[None]:
        """Not every implementation has a FileNotFoundError, but each can list a folder."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception:
            if name in self.sizes():
                raise
            raise FileNotFoundError(errno.ENOENT, f"there is no {name}") from None

    def folder(self, name: str) -> "Remote":
        return Remote(f"{self.where}/{check_name(name)}", f"{self._path}/{name}")


def _put_aside_and_move(files: Any, path: str, content: bytes) -> None:
    aside, folder = path + ".part", path.rpartition("/")[0]
    try:
        files.pipe_file(aside, content)
    except Exception:  # Not all say FileNotFoundError.
        if files.exists(folder):
            raise
        files.makedirs(folder, exist_ok=True)
        files.pipe_file(aside, content)
    try:
        files.mv(aside, path)
    except Exception:  # Some rename nothing onto what is there.
        if not (files.exists(aside) and files.exists(path)):
            raise
        files.rm_file(path)
        files.mv(aside, path)


@contextmanager
def _one_line() -> Iterator[None]:
    """Every library has errors of its own: ours are OSErrors that keep the number, and show no credentials."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, _reason(error)) from None
    except OSError as error:
        raise OSError(error.errno or errno.EIO, _reason(error)) from None
    except Exception as error:
        raise OSError(errno.EIO, _reason(error)) from None


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    line = " ".join(text.split())
    for pattern, instead in SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "…"


def why_refused(error: OSError, storage: Storage) -> str:
    """What a user reads while a write waits to be tried again."""
    if storage.is_local and error.errno == errno.ENOSPC:
        return f"no space left on the disk that holds {storage.where}"
    if storage.is_local and error.errno == errno.EDQUOT:
        return f"the quota is used up on the disk that holds {storage.where}"
    return f"the storage refused: {_reason(error)} ({storage.where})"


def is_name(name: str) -> bool:
    """A plain file name. Not of another folder, not hidden, and nothing that a library may take for a pattern."""
    return (
        name.isprintable()
        and 0 < len(os.fsencode(name)) <= LONGEST_NAME
        and name[0] != "."
        and not set(name) & set("/\\*?[]")
    )


def check_name(name: str) -> str:
    """The name itself. ValueError where it could lead elsewhere: a journal made by others must not read or delete."""
    if not is_name(name):
        raise ValueError(f"{name[:80]!r} is not a plain file name")
    return name


def is_url(text: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def open_storage(where: str | Path) -> Storage:
    """The storage at a path or a URL. Nothing is read or written yet, and nothing made: see `prepare`.

    Raises:
        UserError: The URL holds credentials or no path, its protocol is not known, or the package for it is missing.
    """
    if not str(where).strip() or "\0" in str(where):
        raise UserError(f"{str(where)!r} is no storage: give a folder or a URL, as in s3://bucket/runs")
    if not is_url(str(where)):
        return Folder(Path(where).absolute())
    url = _checked(str(where))
    protocol = url.partition("://")[0]
    if protocol in LOCAL:
        local = Path(unquote(url.partition("://")[2]))
        if not local.is_absolute() or local == Path(local.anchor):
            raise UserError(f"{url}: a storage needs an absolute path below the root, as in {protocol}:///shared/runs")
        return Folder(local)
    path = str(_implementation(url, protocol)._strip_protocol(url)).rstrip("/")
    parts = [part for part in path.split("/") if part]
    # Fsspec's paths begin with a slash, or with a bucket.
    if len(parts) < (1 if path.startswith("/") else 2):
        raise UserError(f"{url}: a storage needs a path below the bucket or root, as in {url}/runs")
    return Remote(url, path)


def prepare(storage: Storage) -> None:
    """Before a run begins: what the folder lies in is there, and the folder can be written, read and deleted from.

    Raises:
        UserError: It cannot.
    """
    name, content = f"probe-{uuid.uuid4().hex}", b"orchestrator"
    try:
        if isinstance(storage, Folder):  # Only now: later, where a folder is gone, a share is not mounted.
            storage.path.mkdir(parents=True, exist_ok=True)
        storage.write(name, content)
        try:
            if storage.read(name) != content:
                raise OSError(errno.EIO, "what was written is not what is read")
        finally:
            storage.delete(name)
    except OSError as error:
        reason = why_refused(error, storage) if storage.is_local else _reason(error)
        raise UserError(f"the storage {storage.where} cannot be used: {reason}") from None


def _checked(url: str) -> str:
    """The URL as it may be written down: in `study.json`, in the journal, on the terminal."""
    protocol, _, rest = url.partition("://")
    protocol = protocol.lower()
    address, _, path = rest.partition("/")
    if not url.isprintable() or {".", ".."} & set(path.split("/")):
        raise UserError(f"{protocol}://…: a storage URL has no '..' and no control characters in it")
    user, at, host = address.rpartition("@")
    if protocol in OBJECT_STORES:
        # Azure's have a container before the @. A key's secret may hold a slash, which ends what looks like the host.
        secret = ":" in address or (at and protocol not in AZURE)
    else:
        secret = ":" in user or (re.search(r":(\d*)$", host) is None and ":" in host) or (":" in host and "@" in path)
    if secret:
        raise UserError(
            f"{protocol}://…: give credentials in the environment or the provider's own configuration, not in the URL"
        )
    if odd := next((sign for sign in ("?", "#", "::", "*", "[", "\\") if sign in rest), None):
        raise UserError(
            f"{protocol}://…: a storage URL is protocol://bucket/path without '{odd}'; credentials and options belong "
            "in the environment or the provider's own configuration"
        )
    return f"{protocol}://{rest.rstrip('/')}"


def _implementation(url: str, protocol: str) -> Any:
    """Fsspec's class for the protocol."""
    from fsspec.registry import get_filesystem_class, known_implementations

    try:
        return get_filesystem_class(protocol)
    except ValueError:
        raise UserError(f"{url}: there is no protocol '{protocol}'{nearest(protocol, known_implementations)}") from None
    except ImportError as error:
        package = str(known_implementations[protocol]["class"]).partition(".")[0]
        how = f" (pip install {package})" if package != "fsspec" else ""
        raise UserError(f"{url} needs a package that is not installed: {error}{how}") from None
