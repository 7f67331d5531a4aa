"""What every row of the tables is held to: these lines and no others, this exit code, no traceback, nothing written."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from orchestrator import cli

HEAD = """
from orchestrator import Choice, Float, Space, Study

SPACE = Space(x=Float(0, 1), constraints={"low": lambda c: c["x"] < 0.9})

def train(configuration, ctx):
    raise AssertionError("nothing is trained")

def build(configuration):
    raise AssertionError("nothing is built")

def data():
    raise AssertionError("nothing is loaded")

async def wait(configuration, ctx):
    pass

def lazy(configuration):
    yield 3

"""
"""What a study's text begins with: functions that nothing may call."""


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
