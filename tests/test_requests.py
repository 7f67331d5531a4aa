"""Requests: written whole, carried out once, refused with a line and set aside where they make no sense."""

import json
import os
from pathlib import Path

import pytest

from orchestrator.objective import Objective
from orchestrator.requests import Requests, ask_to_stop, drop_stops_of_run, was_refused
from orchestrator.scheduler.events import Event, StopRequested, TrialStopRequested
from orchestrator.scheduler.state import State
from tests.scheduler.records import BEGUN, folded
from tests.scheduler.support import completed, lost, reported


class Driver:
    """What it has heard, and said."""

    def __init__(self, run_dir: Path, state: State) -> None:
        self.said: list[str] = []
        self.requests = Requests(run_dir, state, self.said.append)

    def look(self) -> list[Event]:
        self.requests._next = 0.0  # Half a second later.
        return self.requests.events(7.0)


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    (tmp_path / "requests").mkdir()
    return Driver(tmp_path, folded(*BEGUN))


def files(run_dir: Path) -> list[str]:
    return sorted(path.name for path in (run_dir / "requests").iterdir())


def test_a_stop_of_the_run_is_carried_out_once_and_goes_when_it_is_written(driver: Driver, tmp_path: Path) -> None:
    path = ask_to_stop(tmp_path)
    (event,) = driver.look()
    assert isinstance(event, StopRequested) and event.at == 7.0
    assert event.reason.startswith("asked to stop by ") and "@" in event.reason
    assert driver.look() == [] and path.exists(), "it does not stand in the journal yet"
    driver.requests.written()
    assert files(tmp_path) == [] and not was_refused(path)


def test_a_stop_of_a_trial_names_it(driver: Driver, tmp_path: Path) -> None:
    ask_to_stop(tmp_path, 0)
    (event,) = driver.look()
    assert isinstance(event, TrialStopRequested) and event.trial == 0


def test_a_driver_that_dies_before_it_is_written_leaves_it_to_the_next(driver: Driver, tmp_path: Path) -> None:
    ask_to_stop(tmp_path, 0)
    assert len(driver.look()) == 1
    assert len(Driver(tmp_path, folded(*BEGUN)).look()) == 1


def test_it_looks_twice_a_second_at_most(driver: Driver, tmp_path: Path) -> None:
    driver.look()
    ask_to_stop(tmp_path)
    assert driver.requests.events(7.1) == []
    assert len(driver.look()) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("stop-1.json", b"", "truncated"),
        ("stop-1.json", b'{"ask": "stop"', "truncated"),
        ("stop-1.json", b'{"ask": "dance", "by": "a@b"}', "dance"),
        ("stop-1.json", b'{"ask": "stop", "by": "a@b", "at": 3}', "unknown field `at`"),
        ("stop-1.json", b'{"ask": "stop", "by": "a@b", "trial": "7"}', "Expected `int | null`"),
        ("stop-1.json", b'{"ask": "stop", "by": "a@b", "trial": 1}', "there is no trial 1"),
        ("stop-1.json", b'{"ask": "stop", "by": "a@b", "trial": -1}', "there is no trial -1"),
        ("stop-1.json", b"[" * 100_000, "longer than any request"),
        ("stop-1.json", b"[" * 4_000, "Expected `object`"),
        ("stop-1.json", b"\xff\xfe", "malformed"),
        ("notes.txt", b"buy milk", "not a name of a request"),
        ("a\nb.json", b"{}", "not a name of a request"),
    ],
)
def test_what_makes_no_sense_is_refused_and_set_aside(
    name: str, content: bytes, why: str, driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "requests" / name
    path.write_bytes(content)
    assert driver.look() == []
    (line,) = driver.said
    assert line.startswith("warning: a request is refused: ") and why in line
    assert was_refused(path) and (tmp_path / "requests" / "refused" / name).read_bytes() == content
    assert driver.look() == [] and len(driver.said) == 1


def test_what_is_no_plain_file_is_refused(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    (folder / "stop-1.json").mkdir()
    os.mkfifo(folder / "stop-2.json")
    (folder / "stop-3.json").symlink_to("/etc/hostname")
    assert driver.look() == [] and len(driver.said) == 3
    assert files(tmp_path) == ["refused"] and len([*(folder / "refused").iterdir()]) == 3


def test_what_is_being_written_or_is_the_file_systems_own_is_left_alone(driver: Driver, tmp_path: Path) -> None:
    for name in ("stop-1.json.part", ".nfs0001"):
        (tmp_path / "requests" / name).write_bytes(b"{")
    assert driver.look() == [] and driver.said == []


def test_a_trial_that_has_ended_is_told(tmp_path: Path) -> None:
    driver = Driver(tmp_path, folded(*BEGUN, reported(0, 9, 0.5), completed(0)))
    ask_to_stop(tmp_path, 0)
    assert driver.look() == []
    assert "trial 0 has ended already (completed)" in driver.said[0]


def test_one_that_waits_for_a_worker_can_be_stopped(tmp_path: Path) -> None:
    driver = Driver(tmp_path, folded(*BEGUN, lost(0)))
    ask_to_stop(tmp_path, 0)
    assert len(driver.look()) == 1


def test_a_folder_that_is_missing_holds_none(tmp_path: Path) -> None:
    driver = Driver(tmp_path, State(Objective("val", "max")))
    assert driver.look() == [] and list(drop_stops_of_run(tmp_path)) == []


def test_one_that_cannot_be_removed_is_still_carried_out_once(driver: Driver, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    ask_to_stop(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError

    assert len(driver.look()) == 1
    monkeypatch.setattr(Path, "unlink", refuse)
    driver.requests.written()
    assert driver.look() == []


def test_stops_of_the_run_from_before_it_was_resumed_are_dropped(driver: Driver, tmp_path: Path) -> None:
    ask_to_stop(tmp_path)
    ask_to_stop(tmp_path, 0)
    (tmp_path / "requests" / "stop-x.json").write_text("damaged")
    (line,) = drop_stops_of_run(tmp_path)
    assert "from before the run was resumed is dropped: asked to stop by" in line
    (event,) = driver.look()
    assert isinstance(event, TrialStopRequested) and len(driver.said) == 1


def test_a_very_long_name_is_not_repeated(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "requests" / "stop-1.json").write_text(json.dumps({"ask": "stop", "by": "x" * 2000}))
    (event,) = driver.look()
    assert isinstance(event, StopRequested) and len(event.reason) < 200
