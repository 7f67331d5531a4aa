"""Run directories that are none, or damaged: every command that reads one says the same line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import cli
from orchestrator.journal import FILE, FORMAT
from tests.bad_input.runs import Lines, good_lines, line, write_run
from tests.bad_input.support import named, refused

COMMANDS = (["leaderboard"], ["best"], ["simulate", "--curves"], ["resume"])
Change = Callable[[Lines], Lines]

NOT_A_HEADER = "line 1: not the header of a journal (…"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The journal of a run that has ended."""
    return good_lines(tmp_path_factory.mktemp("good"))


def place(lines: Lines, kind: str) -> int:
    """Where the first record of this type stands."""
    return next(number for number, found in enumerate(lines) if json.loads(found)["type"] == kind)


def header(**fields: Any) -> Change:
    return lambda lines: [line(json.loads(lines[0]) | fields), *lines[1:]]


def first(kind: str, **fields: Any) -> Change:
    """The first record of this type with other fields."""

    def change(lines: Lines) -> Lines:
        found = place(lines, kind)
        return [*lines[:found], line(json.loads(lines[found]) | fields), *lines[found + 1 :]]

    return change


def after_first(kind: str, content: bytes) -> Change:
    def change(lines: Lines) -> Lines:
        found = place(lines, kind) + 1
        return [*lines[:found], content, *lines[found:]]

    return change


def first_number(lines: Lines) -> Lines:
    """The first trial is not trial 0."""
    found = place(lines, "Train")
    return [*lines[:found], lines[found].replace(b'"trial":0', b'"trial":5'), *lines[found + 1 :]]


def whole(content: bytes) -> Change:
    return lambda lines: [content]


def checkpoint(name: str) -> bytes:
    saved = {"name": name, "trial": 0, "epoch": 1, "best_epoch": 1, "bytes": 1, "sha256": ""}
    return line({"type": "CheckpointSaved", "at": 1.0, "trial": 0, "attempt": 1, "checkpoint": saved})


# What is done to a good journal, and what follows the file in the line that every command says.
HEADERS = [
    ("empty", whole(b""), NOT_A_HEADER),
    ("an empty line", whole(b"\n"), NOT_A_HEADER),
    ("not JSON", whole(b"trial,score\n1,0.9\n"), NOT_A_HEADER),
    ("a list", whole(b"[]\n"), NOT_A_HEADER),
    ("a number", whole(b"3\n"), NOT_A_HEADER),
    ("null", whole(b"null\n"), NOT_A_HEADER),
    ("nothing in it", whole(b"{}\n"), NOT_A_HEADER),
    ("binary", whole(bytes(range(256)) * 9), NOT_A_HEADER),
    ("compressed", lambda lines: [b"\x1f\x8b", *lines], NOT_A_HEADER),
    ("another encoding", lambda lines: [b"".join(lines).decode().encode("utf-16")], NOT_A_HEADER),
    ("a byte order mark", lambda lines: [b"\xef\xbb\xbf", *lines], NOT_A_HEADER),
    ("half a header", lambda lines: [lines[0][:90]], NOT_A_HEADER),
    ("no header", lambda lines: lines[1:], NOT_A_HEADER),
    ("a header of another kind", header(type="Catalogue"), "line 1: not the header of a journal (Invalid value 'Cat…"),
    ("a field of another type", header(hyperparameters="x"), "line 1: not the header of a journal (Expected `array`…"),
    ("a missing field", lambda lines: [lines[0].replace(b'"direction"', b'"way"'), *lines[1:]], NOT_A_HEADER),
    ("an odd direction", header(direction="up"), "line 1: not the header of a journal (Invalid enum value 'up'…"),
    ("an odd number of a format", header(format=True), NOT_A_HEADER),
]

FORMATS = [
    (
        "a newer format",
        header(format=FORMAT + 1),
        f"format {FORMAT + 1} is not known to this version, which reads 1 to…",
    ),
    ("a format that never was", header(format=0), "format 0 is not known to this version, which reads 1 to …"),
    ("half a format", header(format=1.5), "format 1.5 is not known to this version, which reads 1 to …"),
]

# In these one line is wrong, and the line that every command says names it.
RECORDS = [
    ("a damaged line", first("TrialReported", epoch="one"), "damaged (Expected `int`, got `str` - at `$.epoch`)"),
    (
        "half a line",
        after_first("Train", b'{"type":"Tri\n'),
        "damaged (JSON is malformed: invalid character (byte 12))",
    ),
    ("bytes", after_first("Train", b"\xff\xfe\n"), "damaged (JSON is malformed: invalid character (byte 0))"),
    ("an empty line in it", after_first("Train", b"\n"), "damaged (Input data was truncated)"),
    (
        "two lines in one",
        after_first("Train", b'{"type":"StopSampling","reason":""}{}\n'),
        "damaged (JSON is malformed: trailing characters (byte 36))",
    ),
    ("a hole", after_first("Train", b"\0" * 512 + b"\n"), "damaged (JSON is malformed: invalid character (byte 0))"),
    ("too deep", after_first("Train", b'{"a":' * 100_000 + b"\n"), "damaged (maximum recursion depth exceeded…"),
    ("endless", after_first("Train", b'"' + b"x" * 3_000_000 + b"\n"), "damaged (JSON is malformed: invalid charac…"),
    (
        "a second header",
        lambda lines: [*lines[:4], lines[0], *lines[4:]],
        "damaged (Invalid value 'Header' - at `$.type`)",
    ),
    (
        "a record of the future",
        after_first("Train", b'{"type":"TrialForked"}\n'),
        "damaged (Invalid value 'TrialForke…",
    ),
    (
        "a record without a type",
        after_first("Train", b'{"at":1.0}\n'),
        "damaged (Object missing required field `type`)",
    ),
    (
        "words for a metric",
        first("TrialReported", metrics={"val_accuracy": "high"}),
        "damaged (Expected `float`, got …",
    ),
    ("a list for a configuration", first("Train", assignment={"configuration": [1]}), "damaged (Expected `object`, g…"),
    ("no such trial", first("TrialReported", trial=999), "TrialReported(…): there is no such trial"),
    ("a trial below 0", first("TrialReported", trial=-1), "TrialReported(…): there is no such trial"),
    ("a trial beyond all", first("TrialReported", trial=10**30), "TrialReported(…): there is no such trial"),
    (
        "an attempt of the future",
        first("TrialReported", attempt=7),
        "TrialReported(…): attempt 1 is the last one begun",
    ),
    (
        "no objective",
        first("TrialReported", metrics={"loss": 1.0}),
        "TrialReported(…): the objective 'val_accuracy' is …",
    ),
    ("epoch 0", first("TrialReported", epoch=0), "TrialReported(…): there is no such epoch"),
    ("seconds below 0", first("TrialReported", seconds=-5.0), "TrialReported(…): no epoch takes so long"),
    ("seconds that are none", first("TrialReported", seconds="nan"), "TrialReported(…): no epoch takes so long"),
    ("no time", first("WorkerJoined", at="inf"), "WorkerJoined(…): it has no time"),
    ("a worker twice", lambda lines: [*lines[:3], *lines[2:]], "WorkerJoined(…): the worker is there already"),
    ("no such worker", first("Train", worker=-1), "Train(…): there is no such worker"),
    (
        "a trial left out",
        first_number,
        "Train(…): trials are numbered in order, 0 is the next",
    ),
    ("after the end", lambda lines: [*lines, lines[1]], "RunStarted(…) after the run was finished"),
    (
        "a path out of it",
        after_first("Train", checkpoint("../../etc/passwd")),
        "damaged ('../../etc/passwd' is not a pla…",
    ),
    (
        "an absolute path",
        after_first("Train", checkpoint("/etc/passwd")),
        "damaged ('/etc/passwd' is not a plain file …",
    ),
    ("no name", after_first("Train", checkpoint("")), "damaged ('' is not a plain file name)"),
    ("a NUL", after_first("Train", checkpoint("a\0b")), "damaged ('a\\x00b' is not a plain file name)"),
]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Every command says the line of the directory `run`."""
    monkeypatch.setattr("orchestrator.run.execute", lambda *_: pytest.fail("it was resumed"))

    def run(expected: str) -> None:
        for command in COMMANDS:
            refused(capsys, [*command, tmp_path / "run"], f"HERE/run{expected}", here=tmp_path)

    return run


@pytest.mark.parametrize(("change", "expected"), named(HEADERS))
def test_headers(say, tmp_path: Path, good: Lines, change: Change, expected: str) -> None:
    write_run(tmp_path, change(good))
    say(f"/journal.jsonl, {expected}")


@pytest.mark.parametrize(("change", "expected"), named(FORMATS))
def test_formats(say, tmp_path: Path, good: Lines, change: Change, expected: str) -> None:
    write_run(tmp_path, change(good))
    say(f"/journal.jsonl: {expected}")


@pytest.mark.parametrize(("change", "expected"), named(RECORDS))
def test_records(say, tmp_path: Path, good: Lines, change: Change, expected: str) -> None:
    changed = change(good)
    number = next(n for n, (old, new) in enumerate(zip([*good, b""], changed, strict=False), start=1) if old != new)
    write_run(tmp_path, changed)
    say(f"/journal.jsonl, line {number}: {expected}")


def test_no_journal(say, tmp_path: Path, good: Lines) -> None:
    journal = write_run(tmp_path, good) / FILE
    journal.unlink()
    say(" is no run directory: …")
    journal.mkdir()
    say(" is no run directory: …")


def test_no_directory(say, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS[:2]:
        refused(capsys, [*command, tmp_path / "run"], "HERE/run is no run directory: …", here=tmp_path)
    (tmp_path / "run").write_text("trial,score\n")
    for command in COMMANDS[:2]:
        refused(capsys, [*command, tmp_path / "run"], "HERE/run is no run directory: …", here=tmp_path)


def test_a_torn_last_line_is_none(tmp_path: Path, good: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path, [*good[:-1], good[-1][:-9]])
    for command in COMMANDS[:3]:
        assert cli.main([*command, str(run)]) == 0
        captured = capsys.readouterr()
        assert captured.out and "error" not in captured.err


def test_a_run_without_a_report(tmp_path: Path, good: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path, good[:4])
    refused(capsys, ["best", run], "no trial of HERE/run has a score yet", code=1, here=tmp_path)
    line = "HERE/run: no trial has reported val_accuracy yet, so there is nothing to simulate on"
    refused(capsys, ["simulate", "--curves", run], line, here=tmp_path)


def test_an_epoch_beyond_the_last_makes_no_curve(
    tmp_path: Path, good: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path, first("TrialReported", epoch=10**9)(good))
    expected = "HERE/run/journal.jsonl, line …: TrialReported(epoch=1000000000, …): epochs are those from 1 to 3"
    refused(capsys, ["simulate", "--curves", run], expected, here=tmp_path)
