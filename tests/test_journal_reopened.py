"""A journal that is gone on with: after a crash, and on a disk that fills up."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver import drive
from orchestrator.errors import UserError
from orchestrator.journal import FILE, Journal, is_torn, read_journal, resumptions_of, whole_size
from orchestrator.lock import Lock
from orchestrator.objective import Objective
from orchestrator.scheduler.events import RunResumed
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.scheduler.validation import validate
from tests import disks
from tests.scheduler.support import Brain, completed, joined, reported, saved, started
from tests.test_driver import Scripted
from tests.test_journal import HEADER, SINCE_FORMAT_3, SINCE_FORMAT_4, SINCE_FORMAT_5

FIRST: list[Record] = [started(), joined(0)]
SECOND: list[Record] = [reported(0, 1, 0.5), saved(0, 1)]


def write(run_dir: Path, records: list[Record]) -> None:
    journal = Journal.create(run_dir, HEADER)
    journal.append(records)
    journal.close()


def reopen(run_dir: Path) -> Journal:
    lock = Lock(run_dir)
    lock.take()
    return Journal.reopen(run_dir, lock)


def read(run_dir: Path) -> list[Record]:
    return list(read_journal(run_dir)[1])


def test_it_goes_on_at_its_end(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    journal = reopen(tmp_path)
    journal.append(SECOND)
    journal.close()
    assert read(tmp_path) == [*FIRST, *SECOND]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60))
def test_a_torn_line_is_dropped_before_anything_follows(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    write(run_dir, [*FIRST, *SECOND])
    whole = (run_dir / FILE).read_bytes()
    (run_dir / FILE).write_bytes(whole[:-cut])
    assert is_torn(run_dir) == (not whole[:-cut].endswith(b"\n"))
    before = read(run_dir)
    assert before == [*FIRST, *SECOND][: len(before)]
    journal = reopen(run_dir)
    journal.append([completed(0)])
    journal.close()
    assert read(run_dir) == [*before, completed(0)] and not is_torn(run_dir)


def test_a_line_longer_than_what_is_read_at_once_is_torn_too(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    size = whole_size(tmp_path)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"x" * 200_000)
    assert is_torn(tmp_path) and whole_size(tmp_path) == size
    reopen(tmp_path).close()
    assert (tmp_path / FILE).stat().st_size == size


def test_what_was_changed_by_resuming_is_found_without_the_rest(tmp_path: Path) -> None:
    resumed = RunResumed(at=1.0, settings={"trials": 60}, changes=["the study's code has changed"])
    write(tmp_path, [*FIRST, resumed, *SECOND])
    assert resumptions_of(tmp_path) == [resumed]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "disk") as path:
        yield path


def fill(path: Path) -> None:
    """Until there is no room for a whole block."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_on_a_full_disk_nothing_is_written_in_part(small_disk: Path) -> None:
    run_dir = small_disk / "run"
    run_dir.mkdir()
    journal = Journal.create(run_dir, HEADER)
    journal.append(FIRST)
    fill(small_disk / "ballast")
    many: list[Record] = [reported(0, epoch, 0.5) for epoch in range(1, 200)]
    with pytest.raises(OSError, match="No space left"):
        journal.append(many)
    assert read(run_dir) == FIRST and not is_torn(run_dir)
    (small_disk / "ballast").unlink()
    journal.append(many)
    journal.close()
    assert read(run_dir) == [*FIRST, *many]


def holding(until: Callable[[], None], times: int) -> Callable[[str], None]:
    reasons: list[str] = []

    def hold(reason: str) -> None:
        reasons.append(reason)
        assert "the journal cannot be written (No space left on device)" in reason
        if len(reasons) == times:
            until()

    return hold


def test_a_run_waits_for_room_and_carries_out_nothing_meanwhile(small_disk: Path) -> None:
    run_dir = small_disk / "run"
    run_dir.mkdir()
    journal = Journal.create(run_dir, HEADER)
    fill(small_disk / "ballast")
    events = [[started(), joined(0)], [reported(0, epoch, 0.5) for epoch in range(1, 200)], [completed(0)]]
    backend = Scripted(events)
    asked: list[int] = []

    def make_room() -> None:
        asked.append(len(backend.asked))
        (small_disk / "ballast").unlink()

    brain = Brain("none", trials=1, epochs=199)
    drive(brain, backend, journal, hold=holding(make_room, times=3))
    journal.close()
    assert asked == [1], "nothing was carried out before there was room"
    assert [type(record).__name__ for record in read(run_dir)][-1] == "Finish"


def test_a_driver_that_was_taken_over_ends(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    (tmp_path / "journal.lock").write_text('{"host": "elsewhere", "pid": 7}')
    with pytest.raises(UserError, match="another driver has taken"):
        journal.append(FIRST)
    journal.close()
    assert read(tmp_path) == []


def test_a_journal_of_format_3_loads() -> None:
    """Three drivers, workers that are lost, hang, wear out and drain, trials that are tried again, a damaged file."""
    header, records = read_journal(Path(__file__).parent / "assets" / "journal-format-3")
    read = list(records)
    assert header.format == 3 and {type(record) for record in read} >= SINCE_FORMAT_3
    state = State(Objective(header.objective, "max"))
    for record in read:
        state.apply(record)
    validate(state)
    assert [(t.status, t.attempt, t.epoch, t.score, t.worker) for t in state.trials] == [
        ("stopped", 2, 1, 0.1, 0),
        ("stopped", 1, 1, 0.5, 1),
        ("failed", 3, 2, None, 7),
        ("diverged", 3, 1, None, 6),
        ("stopped", 4, 1, 0.7, 7),
        ("failed", 8, 0, None, 12),
        ("stopped", 1, 1, 0.1, 6),
        ("completed", 2, 9, 0.8, 12),
    ]
    assert (len(state.resumptions), state.epochs_trained, state.best and state.best.number) == (3, 23, 7)
    assert state.finished is not None and state.finished.reason == "all 8 trials ended"


def test_a_journal_of_format_4_loads() -> None:
    """Two drivers; workers that say what they have built and what their time went into, until they are lost."""
    header, records = read_journal(Path(__file__).parent / "assets" / "journal-format-4")
    read = list(records)
    assert header.format == 4 and {type(record) for record in read} >= SINCE_FORMAT_4
    state = State(Objective(header.objective, "max"))
    for record in read:
        state.apply(record)
    validate(state)
    assert [(t.status, t.attempt, t.epoch, t.score, t.worker, t.structure) for t in state.trials] == [
        ("completed", 4, 4, 0.9, 7, "structure 0"),
        ("stopped", 4, 1, 0.3, 5, "structure 1"),
        ("diverged", 2, 4, None, 9, "structure 2"),
        ("failed", 2, 1, None, 4, "structure 0"),
        ("stopped", 1, 1, 0.5, 3, "structure 1"),
        ("stopped", 1, 1, 0.6, 3, "structure 2"),
        ("stopped", 1, 1, 0.4, 6, "structure 0"),
        ("stopped", 1, 1, 0.4, 3, "structure 1"),
    ]
    assert {number: list(worker.structures) for number, worker in state.workers.items()} == {
        7: ["structure 0"],
        9: ["structure 2"],
        10: [],
    }
    sheet = state.timesheet
    assert (sheet.starts, sheet.starting, sheet.spent) == (
        11,
        {"start": 11.0, "data": 5.5},
        {"train": 4.5, "wait": 2.25},
    )
    assert state.finished is not None and state.finished.reason == "all 8 trials ended"


def test_a_journal_of_format_5_loads() -> None:
    """Two drivers, workers with their GPUs, and somebody who wants one trial after the other to end."""
    header, records = read_journal(Path(__file__).parent / "assets" / "journal-format-5")
    read = list(records)
    assert header.format == 5 and {type(record) for record in read} >= SINCE_FORMAT_5
    state = State(Objective(header.objective, "max"))
    for record in read:
        state.apply(record)
    validate(state)
    assert [(t.status, t.attempt, t.epoch, t.score, t.worker) for t in state.trials] == [
        ("stopped", 1, 1, 0.5, 0),
        ("stopped", 1, 1, 0.3, 1),
        ("stopped", 1, 1, 0.2, 2),
        ("stopped", 1, 1, 0.8, 0),
        ("failed", 1, 0, None, 1),
        ("stopped", 3, 3, 0.7, 3),
        ("stopped", 1, 1, 0.4, 0),
        ("diverged", 1, 2, None, 1),
        ("completed", 2, 4, 0.9, 4),
        ("stopped", 3, 0, None, 5),
    ]
    assert [trial.number for trial in state.trials if trial.reason == "somebody wants it"] == [1, 2, 3, 9]
    assert state.finished is not None and state.finished.reason == "all 10 trials ended"
