"""`stop`: who is asked, what is said, and what cannot be stopped."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import cli, stopping
from orchestrator.cli.operating import as_typed, submit
from orchestrator.errors import RunFailed, UserError
from orchestrator.journal import FILE
from orchestrator.lock import Lock
from orchestrator.requests import Requests
from tests.scheduler.records import BEGUN, folded
from tests.simulated_runs import simulated


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A run in its midst, held by somebody."""
    simulated(tmp_path, trials=9, epochs=9)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join(lines[:10]))
    lock = Lock(tmp_path)
    lock.take()
    yield tmp_path
    lock.release()


@pytest.fixture
def driven(running: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody takes requests up. It knows of one trial."""
    monkeypatch.setattr("orchestrator.requests.LOOK_SECONDS", 0.001)
    requests, ended = Requests(running, folded(*BEGUN), lambda _: None), threading.Event()

    def take_up() -> None:
        while not ended.wait(0.001):
            requests.events(0.0)
            requests.written()

    thread = threading.Thread(target=take_up)
    thread.start()
    yield running
    ended.set()
    thread.join()


@pytest.mark.parametrize(("trial", "end"), [(None, "the run is ending and saves what is training"), (0, "trial 0 is")])
def test_it_says_what_was_asked_and_that_it_was_taken_up(driven: Path, trial: int | None, end: str) -> None:
    said: list[str] = []
    stopping.stop(driven, trial, said.append)
    asked, answer = said
    assert asked.startswith("asked the driver (pid ") and asked.endswith("trial 0" if trial == 0 else "the run")
    assert answer.startswith(end)


def test_it_says_that_the_driver_has_refused(driven: Path) -> None:
    """Here it knows of fewer trials than its journal does."""
    with pytest.raises(RunFailed, match="the driver has refused to stop trial 1"):
        stopping.stop(driven, 1, lambda _: None)


def test_without_waiting_the_request_is_left(running: Path) -> None:
    stopping.stop(running, None, lambda _: None, wait=False)
    assert len([*(running / "requests").glob("stop-*.json")]) == 1


def test_a_driver_that_ends_before_it_answers_is_told(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holders = iter([{"pid": 7, "host": "elsewhere"}, {}])
    monkeypatch.setattr(stopping, "holder_of", lambda _: next(holders))
    with pytest.raises(RunFailed, match="ended before it could stop the run"):
        stopping.stop(running, None, lambda _: None)
    assert [*(running / "requests").iterdir()] == []


def test_a_driver_that_does_not_answer_is_told(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LONGEST_WAIT", 0.0)
    with pytest.raises(RunFailed, match=r"no answer from the driver within 0 s: .*json waits for it"):
        stopping.stop(running, None, lambda _: None)


def test_there_has_to_be_such_a_trial(running: Path) -> None:
    with pytest.raises(UserError, match="has no trial 77: trials 0 to "):
        stopping.stop(running, 77, lambda _: None)


def test_nobody_drives_it(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "holder_of", lambda _: {})
    with pytest.raises(RunFailed, match="nobody drives"):
        stopping.stop(running, None, lambda _: None)


def test_what_is_finished_is_not_stopped(tmp_path: Path) -> None:
    simulated(tmp_path, trials=9, epochs=9)
    with pytest.raises(RunFailed, match=r"is finished already \(all 9 trials ended\)"):
        stopping.stop(tmp_path, None, lambda _: None)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "which run?"),
        (["run", "--job", "x"], "which run?"),
        (["run", "--address", "http://head:8265"], "--address is for --job"),
        (["--job", "x", "--trial", "1"], "a job ends as a whole"),
        (["nowhere"], "nowhere is no run directory"),
    ],
)
def test_the_command_line_says_what_is_missing(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["stop", *arguments]) == 2
    assert line in capsys.readouterr().err


# Submitting, as far as no cluster is needed.


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "a job's working directory ends with the job"),
        (["--run-dir", "runs/first"], "run_dir is 'runs/first', which would be in the job's working directory"),
        (["--storage", "copies"], "storage is 'copies', which would be"),
        (
            ["--run-dir", "/shared/runs/first", "--tirals", "3"],
            "there is no option '--tirals'; did you mean '--trials'?",
        ),
        (["--run-dir", "/shared/runs/first", "--address", "http://127.0.0.1:9"], "no jobs can be submitted to address"),
        (
            ["--run-dir", "/shared/runs/first", "--address", "ray://head:10001"],
            "give the dashboard's, http://HOST:8265",
        ),
    ],
)
def test_what_cannot_be_submitted_is_told_in_a_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["submit", "digits_mlp", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and line in captured.err and captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_options_reach_the_job_as_they_were_typed() -> None:
    settings = {"trials": 5, "target": -0.5, "repeats": False, "deterministic": True, "max_time": "2h"}
    typed = list(as_typed(submit, settings))
    assert sorted(typed) == sorted(
        ["--trials", "5", "--target", "-0.5", "--no-repeats", "--deterministic", "--max-time", "2h"]
    )
