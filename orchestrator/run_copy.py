"""A copy of a run's small files in its storage, so that a run outlives the disk that its run directory is on.

    <URL>/study.json, leaderboard.csv, best/…   whole, when they have changed
    <URL>/journal/00000000000000012345.jsonl    pieces of the journal, named by where they begin
    <URL>/checkpoints/…                         written by the workers themselves

The journal goes there in pieces because an object store cannot append. A piece holds whole lines and is written once.
"""

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.files import write_whole
from orchestrator.journal import FILE as JOURNAL
from orchestrator.journal import whole_lines
from orchestrator.run_dir import FOLDERS
from orchestrator.storage import Storage, open_storage

PIECES = "journal"
CHECKPOINTS = "checkpoints"
LARGEST_PIECE = 64 * 2**20
PIECE = re.compile(r"(\d{20})\.jsonl")
READ_AT_ONCE = 16


class RunCopy:
    """The writing side. One thread copies at a time; any may discard."""

    def __init__(self, run_dir: Path, storage: Storage) -> None:
        self._run_dir = run_dir
        self._storage = storage
        self._pieces = storage.folder(PIECES)
        self._copied: dict[Path, tuple[int, int]] = {}
        """Whole files: when they were last changed, and their size."""
        self._end: int | None = None
        """Where the next piece begins; unknown at first, for another driver may have begun."""
        self._tried: bytes | None = None
        """The piece whose writing was refused. It may be there for all that, so it is not made longer."""
        self._checkpoints = storage.folder(CHECKPOINTS)
        self._discarded: list[str] = []

    def discard(self, name: str) -> None:
        """Delete a checkpoint once the copy of the journal says so, too: until then, a resume from it may need it."""
        self._discarded.append(name)

    def copy(self) -> None:
        """Whatever has changed since the last time; then what was discarded before it began.

        Raises:
            OSError: The storage refused: to be tried again.
            UserError: The storage holds the journal of another run, or another driver writes there.
        """
        discarded = self._discarded.copy()
        if self._end is None or whole_lines(self._run_dir / JOURNAL, self._end, LARGEST_PIECE):
            self._check()
        self._copy_whole("study.json", self._storage)
        self._copy_journal()
        self._copy_whole("leaderboard.csv", self._storage)
        best = self._run_dir / "best"
        for path in sorted(best.iterdir()) if best.is_dir() else ():
            if not path.name.endswith(".part"):
                self._copy_whole(f"best/{path.name}", self._storage.folder("best"))
        for name in discarded:
            self._checkpoints.delete(name)
            self._discarded.remove(name)

    def _copy_whole(self, name: str, storage: Storage) -> None:
        path = self._run_dir / name
        try:
            stat = path.stat()
            if self._copied.get(path) != (stamp := (stat.st_mtime_ns, stat.st_size)):
                storage.write(path.name, path.read_bytes())
                self._copied[path] = stamp
        except FileNotFoundError:
            if path.exists():
                raise

    def _check(self) -> None:
        """The pieces that are there are the beginning of our journal, and no others'."""
        end = 0
        for name, begin, size in _pieces(self._pieces):
            if begin != end:
                raise UserError(f"{_missing(self._pieces, name, begin, end)}; choose another --storage")
            end += size
            last = name, begin
        if self._end is None and end:
            _compare(self._run_dir / JOURNAL, self._pieces, *last)
        elif self._end is not None and end != self._end:
            if self._tried is None or end != self._end + len(self._tried):
                raise UserError(
                    f"{self._pieces.where} holds {end:,} bytes of the journal where this run wrote {self._end:,}: "
                    "another driver writes there"
                )
            self._tried = None
        self._end = end

    def _copy_journal(self) -> None:
        assert self._end is not None
        while piece := self._tried or whole_lines(self._run_dir / JOURNAL, self._end, LARGEST_PIECE):
            self._tried = piece
            self._pieces.write(f"{self._end:020}.jsonl", piece)
            self._tried = None
            self._end += len(piece)


def fetch_run(url: str, into: Path) -> None:
    """Make the run directory of a run whose copy is in a storage, as on a machine that has never seen it.

    Args:
        url: Of the run, the study's name and all.
        into: The directory, new or empty.

    Raises:
        UserError: There is no run, a piece of its journal is missing, or the directory cannot be made.
    """
    storage = open_storage(url)
    try:
        pieces = list(_pieces(storage.folder(PIECES)))
        study = storage.read("study.json") if pieces else b""
    except FileNotFoundError:
        pieces = []
    except OSError as error:
        raise UserError(f"{storage.where} cannot be read: {error.strerror or error}") from None
    if not pieces:
        raise UserError(f"{storage.where} holds no run: study.json and {PIECES}/ are not there")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UserError(f"{into} is not empty: fetching a run needs a new directory")
    aside = into.with_name(f"{into.name}.{os.getpid()}.part")
    try:
        for folder in FOLDERS:
            (aside / folder).mkdir(parents=True)
        write_whole(aside / "study.json", study)
        _join(storage.folder(PIECES), pieces, aside / JOURNAL)
        aside.rename(into)
    except OSError as error:
        raise UserError(f"{storage.where} cannot be fetched into {into}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _join(storage: Storage, pieces: list[tuple[str, int, int]], path: Path) -> None:
    end = 0
    with path.open("wb") as file:
        contents = _read_all(storage, [name for name, *_ in pieces])
        for (name, begin, size), content in zip(pieces, contents, strict=True):
            if begin != end:
                raise UserError(_missing(storage, name, begin, end))
            if len(content) != size or not content.endswith(b"\n"):
                raise UserError(f"{storage.where}/{name}: damaged: it does not hold whole lines of {size:,} bytes")
            file.write(content)
            end += len(content)
        file.flush()
        os.fsync(file.fileno())


def _read_all(storage: Storage, names: list[str]) -> Iterator[bytes]:
    """Some at once, for a piece is small and a round trip is not."""
    waiting = iter(names)
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        while some := list(islice(waiting, READ_AT_ONCE)):
            yield from pool.map(storage.read, some)


def _pieces(storage: Storage) -> list[tuple[str, int, int]]:
    """Name, beginning and size of every piece, in order."""
    found = [(name, int(match[1]), size) for name, size in storage.sizes().items() if (match := PIECE.fullmatch(name))]
    return sorted(found)


def _missing(storage: Storage, name: str, begin: int, end: int) -> str:
    what = f"the journal's bytes from {end:,} on are missing" if begin > end else "it overlaps the piece before it"
    return f"{storage.where}/{name}: {what}"


def _compare(journal: Path, pieces: Storage, last: str, begin: int) -> None:
    """The journal goes on where the last piece ends."""
    piece = pieces.read(last)
    with journal.open("rb") as file:
        file.seek(begin)
        ours = file.read(len(piece))
    if ours != piece:
        what = "is shorter than" if len(ours) < len(piece) and piece.startswith(ours) else "differs from"
        raise UserError(
            f"{journal} {what} its copy, {pieces.where}/{last}: resume from the URL, or choose another --storage"
        )
