"""What every row of the tables is held to: these lines and no others, this exit code, no traceback, nothing written."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from orchestrator import cli


def refused(
    capsys: pytest.CaptureFixture[str], arguments: Iterable[object], expected: str, code: int = 2, here: Path = Path()
) -> None:
    """Carry out a command in this process.

    Args:
        expected: The lines without their "error: "; "…" stands for anything, "HERE" for the folder.
        here: The folder, in which nothing may change.
    """
    before = _files(here)
    found = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    lines = [line for line in captured.err.splitlines() if not line.startswith("warning: ")]
    wanted = expected.replace("HERE", str(here)).splitlines()
    assert found == code, captured.err
    assert len(lines) == len(wanted), captured.err
    for line, text in zip(lines, wanted, strict=True):
        assert re.fullmatch("error: " + ".*".join(map(re.escape, text.split("…"))), line), (line, text)
    assert _files(here) == before
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()


def named(rows: Sequence[tuple[str, ...]]) -> list[object]:
    """The first of each row is its name."""
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


def _files(here: Path) -> list[str]:
    return sorted(os.fspath(path) for path in here.rglob("*") if "__pycache__" not in path.parts)
