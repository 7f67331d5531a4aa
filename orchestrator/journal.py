"""The journal: the ordered record of every fact and decision of a run, and the only state there is.

`journal.jsonl` holds one JSON object a line. The first is the `Header`; each of the others is an event or an
instruction, told apart by its `type`. Only the driver of the run writes it, and holds `journal.lock` (`lock.py`) while
it does. What was drained from the backend together, and what was decided on it, is written and synced together before
any of it is carried out.

A last line without its end was torn by a crash: it is dropped, for nothing that follows from it was carried out. Any
other damage is an error that names the line. NaN and infinity are written as the strings "nan", "inf" and "-inf".
"""

import json
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from orchestrator.errors import UserError
from orchestrator.lock import Lock
from orchestrator.scheduler.events import AnyEvent, CheckpointSaved, RunResumed, TrialReported
from orchestrator.scheduler.instructions import AnyInstruction, Record
from orchestrator.scheduler.legality import IllegalRecord
from orchestrator.storage import check_name

FORMAT = 5
"""Raised when older programs can no longer read what is written. Every format is read for ever."""
FILE = "journal.jsonl"


class Header(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first line: what the rest of the file depends on."""

    format: int
    study: str
    objective: str
    direction: Literal["max", "min"]
    seed: int
    fingerprint: str
    """Of the search space."""
    hyperparameters: list[str]
    versions: dict[str, str]
    started: float
    """Wall-clock time of the run's second 0, in seconds since 1970."""
    settings: dict[str, Any]


class JournalDamaged(UserError):
    """The file cannot be read: the message names the line."""


_encoder = msgspec.json.Encoder()
# Not strict: numbers may stand as the strings "nan", "inf" and "-inf".
decode_record = msgspec.json.Decoder(AnyEvent | AnyInstruction, strict=False).decode
decode_header = msgspec.json.Decoder(Header).decode


class Journal:
    """The one writer. `create` begins a journal, `reopen` goes on with one."""

    def __init__(self, path: Path, lock: Lock, mode: str) -> None:
        self._lock = lock
        self._file = path.open(mode, buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size

    @classmethod
    def create(cls, run_dir: Path, header: Header, **about_us: Any) -> Self:
        """The journal of a new run. `about_us` stands in the lock beside host and pid.

        Raises:
            UserError: The directory holds a journal already, or another driver's lock.
        """
        first = _encoder.encode_lines([header])
        lock = Lock(run_dir)
        lock.take(**about_us)
        try:
            journal = cls(run_dir / FILE, lock, "xb")
        except FileExistsError:
            lock.release()
            raise UserError(f"{run_dir} holds the journal of another run: choose another --run-dir") from None
        try:
            journal._write(first)
        except OSError:
            journal.close()
            (run_dir / FILE).unlink()
            raise
        return journal

    @classmethod
    def reopen(cls, run_dir: Path, lock: Lock) -> Self:
        """Goes on at the end, without a line that a crash has torn. The lock is taken already."""
        journal = cls(run_dir / FILE, lock, "r+b")
        journal._size = whole_size(run_dir)
        journal._cut()
        return journal

    def append(self, records: Iterable[Record]) -> None:
        """Write and sync; only then may the decisions among the records be carried out.

        Raises:
            OSError: Such as that the disk is full; the journal is as it was, and the same may be tried again.
            UserError: Another driver has taken the run over.
        """
        if lines := _encoder.encode_lines([_spelled(record) for record in records]):
            self._lock.check()
            self._write(lines)

    def close(self) -> None:
        self._file.close()
        self._lock.release()

    def _write(self, lines: bytes) -> None:
        content = memoryview(lines)
        size = self._size + len(content)
        try:
            while content:
                content = content[self._file.write(content) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._cut()
            raise
        self._size = size

    def _cut(self) -> None:
        """Back to the last whole record."""
        self._file.truncate(self._size)
        self._file.seek(self._size)


def whole_size(run_dir: Path) -> int:
    """How many bytes of the journal are whole lines."""
    with (run_dir / FILE).open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            if (place := file.read(end - start).rfind(b"\n")) >= 0:
                return start + place + 1
            end = start
    return 0


def is_torn(run_dir: Path) -> bool:
    """Whether a crash has left a part of a line at the end."""
    return whole_size(run_dir) < (run_dir / FILE).stat().st_size


def read_journal(run_dir: Path) -> tuple[Header, Generator[Record, None, None]]:
    """The header, and the records one by one. Reads along while the run writes.

    Raises:
        UserError: There is no journal, its format is newer than ours, or (while iterating) a line is damaged.
    """
    path = run_dir / FILE
    try:
        with path.open("rb") as file:
            first = file.readline()
    except OSError as error:
        raise UserError(f"{run_dir} is no run directory: {path} cannot be read ({error.strerror})") from None
    return _header(path, first), _records(path, len(first))


class Growing:
    """A journal that another process writes: of what was added since the last look, the whole lines."""

    def __init__(self, run_dir: Path) -> None:
        """
        Raises:
            UserError: As of `read_journal`.
        """
        self.header, _ = read_journal(run_dir)
        self._run_dir = run_dir
        self._end = 0
        self._lines = 0

    def read(self, most: int = 2**20) -> list[Record]:
        """The next records, of about so many bytes; none if there are no further ones yet.

        Raises:
            UserError: A line is damaged, or the journal is not what it was.
        """
        path = self._run_dir / FILE
        try:
            # Opened anew each time, for that is when a network file system looks what there is.
            lines = whole_lines(path, self._end, most)
            if not lines and path.stat().st_size < self._end:
                raise UserError(f"{path} has become shorter: another journal has taken its place, or it was cut")
        except OSError as error:
            raise UserError(f"{path} cannot be read any more ({error.strerror})") from None
        first, self._end = self._lines, self._end + len(lines)
        found = lines.split(b"\n")[:-1]
        self._lines += len(found)
        return [_record(path, number, line) for number, line in enumerate(found, start=first + 1) if number > 1]

    def fold(self, records: Sequence[Record], take: Callable[[Record], object]) -> None:
        """As `fold`, of what was read last."""
        fold(self._run_dir, records, take, first_line=self._lines - len(records) + 1)


def whole_lines(journal: Path, begin: int, most: int) -> bytes:
    """The whole lines from a place on, in so many bytes, or the first of them."""
    with journal.open("rb") as file:
        file.seek(begin)
        content = file.read(most)
        whole = content.rfind(b"\n") + 1
        if whole == 0 and content:
            content += file.readline()
            whole = len(content) if content.endswith(b"\n") else 0
        return content[:whole]


def resumptions_of(run_dir: Path) -> list[RunResumed]:
    """Those of a run, without reading all the rest."""
    with (run_dir / FILE).open("rb") as file:
        lines = [line for line in file if b'"RunResumed"' in line and line.endswith(b"\n")]
    found = []
    for line in lines:
        with suppress(ValueError, RecursionError):  # Of damage, the fold tells.
            found.append(decode_record(line))
    return [record for record in found if isinstance(record, RunResumed)]


def fold(run_dir: Path, records: Iterable[Record], take: Callable[[Record], object], first_line: int = 2) -> None:
    """Give each record to `take`.

    Raises:
        JournalDamaged: One cannot follow those before it; the message names the line.
    """
    for line, record in enumerate(records, start=first_line):
        try:
            take(record)
        except IllegalRecord as error:
            raise JournalDamaged(f"{run_dir / FILE}, line {line}: {error}") from None


def _header(path: Path, line: bytes) -> Header:
    try:
        number = json.loads(line)["format"]
        if number in range(1, FORMAT + 1):
            return decode_header(line)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalDamaged(f"{path}, line 1: not the header of a journal ({error})") from None
    raise UserError(
        f"{path}: format {number!r} is not known to this version, which reads 1 to {FORMAT}: use a newer one"
    )


def _records(path: Path, start: int) -> Generator[Record, None, None]:
    with path.open("rb") as file:
        file.seek(start)
        for number, line in enumerate(file, start=2):
            if not line.endswith(b"\n"):
                return
            yield _record(path, number, line)


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        record: Record = decode_record(line)
        if type(record) is CheckpointSaved:
            check_name(record.checkpoint.name)
        return record
    except (ValueError, RecursionError) as error:
        raise JournalDamaged(f"{path}, line {number}: damaged ({error})") from None


def _spelled(record: Record) -> Record:
    """JSON has no NaN and no infinity."""
    if type(record) is not TrialReported or all(map(isfinite, record.metrics.values())):
        return record
    metrics: Any = {name: value if isfinite(value) else str(value) for name, value in record.metrics.items()}
    return msgspec.structs.replace(record, metrics=metrics)
