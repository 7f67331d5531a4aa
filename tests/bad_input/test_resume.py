"""Runs that `resume` refuses to go on with, and options that make no sense to it, each with its line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lock import Lock
from tests.bad_input.runs import STUDY, Lines, good_lines, line, write_run
from tests.bad_input.support import named, refused


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    return good_lines(tmp_path_factory.mktemp("good"))


@pytest.fixture
def resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], good: Lines):
    """Refused with this line, after the run was changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.run.execute", lambda *_: pytest.fail("it was resumed"))
    write_run(tmp_path, good)

    def run(expected: str, *options: str) -> None:
        refused(capsys, ["resume", "run", *(options or ("--trials", "+1"))], expected, here=tmp_path)

    return run


def described(**fields: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | fields)


UNREADABLE = "HERE/run/study.json cannot be read (…): without it the run cannot be resumed"
NOWHERE = "/nowhere/toy.py"

# Name, what is done to study.json, line.
DESCRIPTIONS = [
    ("a source that is no text", described(source={NOWHERE: 3}), UNREADABLE),
    ("a list of modules", described(modules=["toy"]), UNREADABLE),
    ("a list of versions", described(versions=["1.0"]), UNREADABLE),
    ("empty", lambda text: "", UNREADABLE),
    ("not JSON", lambda text: text[:-9], UNREADABLE),
    ("a list", lambda text: "[]", UNREADABLE),
    ("too deep", lambda text: "[" * 100_000, UNREADABLE),
    ("no source", described(source=None), UNREADABLE),
    ("a list of sources", described(source=[STUDY]), UNREADABLE),
    (
        "made in Python",
        described(source={}),
        "the study of HERE/run was made in Python, not in a file: resume it with…",
    ),
    ("a broken copy", described(source={NOWHERE: "1 / 0"}), f"{NOWHERE} does not import: line 1: ZeroDivisionError: …"),
    ("a copy without a study", described(source={NOWHERE: "x = 1"}), f"{NOWHERE} defines no `study`: write study = …"),
    (
        "another space",
        described(fingerprint="abc"),
        "HERE/run cannot simply go on: the search space has changed. Undo…",
    ),
    (
        "another TensorFlow",
        described(versions={"tensorflow": "1.0"}),
        "HERE/run cannot simply go on: tensorflow is …, …",
    ),
]

# Name, the study's file as it is now, line.
STUDIES = [
    (
        "a changed line",
        STUDY + "# later\n",
        "HERE/run cannot simply go on: the study's code has changed (toy.py). Undo …",
    ),
    (
        "another space",
        STUDY.replace("Int(1, 3)", "Int(1, 4)"),
        "HERE/run cannot simply go on: the search space has changed; the study's code has changed (toy.py). Undo …",
    ),
    (
        "another objective",
        STUDY.replace('"val_accuracy"', '"loss"'),
        "the study's objective is now max loss, the run's is max val_accuracy: scores cannot be compared, so launch …",
    ),
    (
        "another direction",
        STUDY.replace('"max"', '"min"'),
        "the study's objective is now min val_accuracy, the run's is max val_accuracy: scores cannot be compared, so …",
    ),
    ("broken", "def f(", "HERE/toy.py does not import: line 1: SyntaxError: …"),
    ("empty", "", "HERE/toy.py defines no `study`: write study = Study(space=…, build=…, data=…, …)"),
]

SO_MUCH_MORE = "only trials, epochs, max_time, max_epochs_total, gpu_hours, max_failures can be given as so much more"
WHOLE = "use a whole number of at least"
SEE = "(see python -m orchestrator resume --help)"
TIME = "use a time above 0, in seconds or such as 90s, 10m, 1.5h or 2d"

# Options, line.
OPTIONS = [
    ("--trials +x", f"trials is 'x': {WHOLE} 1"),
    ("--trials +", f"trials is '': {WHOLE} 1"),
    ("--trials +0", f"trials is 0: {WHOLE} 1"),
    ("--trials +-3", f"trials is -3: {WHOLE} 1"),
    ("--trials 0", f"trials is 0: {WHOLE} 1"),
    ("--epochs 1", "epochs is 1, and was 3: it can only grow in a run that is resumed"),
    ("--epochs +1.5", f"epochs is 1.5: {WHOLE} 1"),
    ("--max-time +", f"max_time is '': {TIME}"),
    ("--max-time tomorrow", f"max_time is 'tomorrow': {TIME}"),
    ("--max-epochs-total +-1", f"max_epochs_total is -1: {WHOLE} 1"),
    ("--gpu-hours +1", "gpu_hours is 1, but trials use no GPU: give gpus_per_trial, or max_time instead"),
    ("--target +1", f"target is '+1': {SO_MUCH_MORE}"),
    ("--workers +3", f"workers is '+3': {SO_MUCH_MORE}"),
    ("--workers 0", f"workers is 0: {WHOLE} 1"),
    ("--retries -1", f"retries is -1: {WHOLE} 0"),
    ("--keep 0", f"keep is 0: {WHOLE} 1"),
    ("--checkpoint-bytes lots", "checkpoint_bytes is 'lots': use a number of bytes above 0, or such as 500MB, …"),
    ("--study nothing.py", "nothing.py: there is no such file"),
    ("--sampler random", f"No such option '--sampler' {SEE}"),
    ("--seed 3", f"No such option '--seed'. … {SEE}"),
    ("--tirals +3", f"No such option '--tirals'. Did you mean '--trials'? {SEE}"),
    ("--quiet --json", "--quiet and --json contradict each other: give one of them"),
    ("--trials 9 more", f"Got unexpected extra argument (more) {SEE}"),
]

# What is no run: argument, line.
PLACES = [
    ("nothing", "HERE/nothing is no run directory: there is no journal.jsonl in it"),
    ("toy.py", "HERE/toy.py is no run directory: there is no journal.jsonl in it"),
    ("run/checkpoints", "HERE/run/checkpoints is no run directory: there is no journal.jsonl in it"),
    ("nope://x/y", "nope://x/y: there is no protocol 'nope'"),
]


@pytest.mark.parametrize(("change", "expected"), named(DESCRIPTIONS))
def test_descriptions(resume, tmp_path: Path, change: Callable[[str], str], expected: str) -> None:
    path = tmp_path / "run" / "study.json"
    path.write_text(change(path.read_text()))
    resume(expected)


def test_no_description(resume, tmp_path: Path) -> None:
    (tmp_path / "run" / "study.json").unlink()
    resume(UNREADABLE)


@pytest.mark.parametrize(("text", "expected"), named(STUDIES))
def test_studies(resume, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "toy.py").write_text(text)
    resume(expected)


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_options(resume, options: str, expected: str) -> None:
    resume(expected, *options.split())


@pytest.mark.parametrize(("argument", "expected"), PLACES)
def test_places(resume, tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str, expected: str) -> None:
    refused(capsys, ["resume", argument], expected, here=tmp_path)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"trials": "x"}, f"trials is 'x': {WHOLE} 1"),
        ({"stopper": "ahsa"}, "stopper is 'ahsa': use one of …; did you mean 'asha'?"),
        ({"storage": "nope://x"}, "nope://x: there is no protocol 'nope'"),
    ],
)
def test_settings_in_a_header(resume, tmp_path: Path, good: Lines, setting: dict[str, Any], expected: str) -> None:
    header = json.loads(good[0])
    header["settings"] |= setting
    (tmp_path / "run" / "journal.jsonl").write_bytes(b"".join([line(header), *good[1:]]))
    resume(expected, "--workers", "1")


def test_a_living_holder(resume, tmp_path: Path) -> None:
    lock = Lock(tmp_path / "run")
    lock.take()
    try:
        resume("HERE/run is held by another driver, pid … on …: wait for it, or end it (a dead one is taken over)")
    finally:
        lock.release()


def test_a_holder_on_another_machine(resume, tmp_path: Path) -> None:
    (tmp_path / "run" / "journal.lock").write_text(json.dumps({"host": "another", "pid": 12}))
    resume("HERE/run is held by another driver, pid 12 on another: wait for it, or end it (a dead one is taken over)")


def test_a_lock_that_cannot_be_taken(resume, tmp_path: Path) -> None:
    (tmp_path / "run" / "journal.lock").mkdir()
    resume("HERE/run/journal.lock cannot be written (Is a directory): a run has to be locked")


def test_a_damaged_resumption(resume, tmp_path: Path, good: Lines) -> None:
    (tmp_path / "run" / "journal.jsonl").write_bytes(b"".join([*good[:3], b'{"type":"RunResumed"}\n', *good[3:]]))
    resume("HERE/run/journal.jsonl, line 4: damaged (Object missing required field `…`)")
