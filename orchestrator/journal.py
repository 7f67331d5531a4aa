"""The journal: the ordered record of every fact and decision of a run, and the only state there is.

`journal.jsonl` holds one JSON object a line. The first is the `Header`; each of the others is an event or an
instruction, told apart by its `type`. Only the driver of the run writes it, and holds `journal.lock`, which names the
holder, while it does. What was drained from the backend together, and what was decided on it, is written and synced
together before any of it is carried out.

A last line without its end was torn by a crash: it is dropped, for nothing that follows from it was carried out. Any
other damage is an error that names the line. NaN and infinity are written as the strings "nan", "inf" and "-inf".
"""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.errors import UserError
from orchestrator.scheduler.events import AnyEvent, TrialReported
from orchestrator.scheduler.instructions import AnyInstruction, Record

FORMAT = 2
"""Raised when older programs can no longer read what is written. Every format is read for ever."""
FILE = "journal.jsonl"
LOCK = "journal.lock"


class Header(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first line: what the rest of the file depends on."""

    format: int
    study: str
    objective: str
    direction: str
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


encode = msgspec.json.Encoder().encode
# Not strict: numbers may stand as the strings "nan", "inf" and "-inf".
decode_record = msgspec.json.Decoder(AnyEvent | AnyInstruction, strict=False).decode
decode_header = msgspec.json.Decoder(Header).decode


class Journal:
    """The one writer."""

    def __init__(self, run_dir: Path, header: Header) -> None:
        """Create the journal of a new run.

        Raises:
            UserError: The directory holds a journal already, or another driver's lock.
        """
        first = encode(header)
        self._lock = run_dir / LOCK
        _take_lock(self._lock)
        try:
            self._file = (run_dir / FILE).open("xb", buffering=0)
        except FileExistsError:
            self._lock.unlink()
            raise UserError(f"{run_dir} holds the journal of another run: choose another --run-dir") from None
        self._write([first])

    def append(self, records: Iterable[Record]) -> None:
        """Write and sync; only then may the decisions among the records be carried out."""
        if lines := [encode(_spelled(record)) for record in records]:
            self._write(lines)

    def close(self) -> None:
        self._file.close()
        self._lock.unlink(missing_ok=True)

    def _write(self, lines: list[bytes]) -> None:
        content = memoryview(b"\n".join(lines) + b"\n")
        while content:
            content = content[self._file.write(content) :]
        os.fsync(self._file.fileno())


def read_journal(run_dir: Path) -> tuple[Header, Iterator[Record]]:
    """The header, and the records one by one. Reads along while the run writes.

    Raises:
        UserError: There is no journal, its format is newer than ours, or (while iterating) a line is damaged.
    """
    path = run_dir / FILE
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{run_dir} is no run directory: {path} cannot be read ({error.strerror})") from None
    try:
        header = _header(path, file.readline())
    except UserError:
        file.close()
        raise
    return header, _records(path, file)


def _header(path: Path, line: bytes) -> Header:
    try:
        number = json.loads(line)["format"]
        if number in range(1, FORMAT + 1):
            return decode_header(line)
    except (ValueError, KeyError, TypeError) as error:
        raise JournalDamaged(f"{path}, line 1: not the header of a journal ({error})") from None
    raise UserError(f"{path}: format {number} is not known to this version, which reads 1 to {FORMAT}")


def _records(path: Path, file: Any) -> Iterator[Record]:
    with file:
        for number, line in enumerate(file, start=2):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode_record(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise JournalDamaged(f"{path}, line {number}: damaged ({error})") from None


def _spelled(record: Record) -> Record:
    """JSON has no NaN and no infinity."""
    if not isinstance(record, TrialReported) or all(map(isfinite, record.metrics.values())):
        return record
    metrics: Any = {name: value if isfinite(value) else str(value) for name, value in record.metrics.items()}
    return msgspec.structs.replace(record, metrics=metrics)


def _take_lock(path: Path) -> None:
    try:
        with path.open("x") as file:
            json.dump({"host": socket.gethostname(), "pid": os.getpid()}, file)
    except FileExistsError:
        raise UserError(f"{path.parent} is held by another driver: {path.read_text()}") from None
