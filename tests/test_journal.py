"""The journal: what is written is read, damage is told with its line, one driver writes, old formats load for ever."""

import json
import os
import socket
import typing
from collections.abc import Iterator
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.assignment import Assignment
from orchestrator.errors import UserError
from orchestrator.journal import FILE, FORMAT, Header, Journal, JournalDamaged, read_journal
from orchestrator.lock import FILE as LOCK
from orchestrator.objective import Objective
from orchestrator.scheduler.events import (
    AnyEvent,
    CheckpointDamaged,
    CheckpointDelayed,
    ConfigurationProposed,
    NodeDraining,
    RunResumed,
    SamplerExhausted,
    TrialBuilt,
    TrialReported,
    TrialStopRequested,
    WorkerLost,
    WorkerSpent,
    WorkerWornOut,
)
from orchestrator.scheduler.instructions import (
    Adapt,
    AnyInstruction,
    Discard,
    Dismiss,
    EndRun,
    Finish,
    GiveUp,
    Pause,
    Propose,
    Stop,
    StopSampling,
    Suspend,
    Train,
    WakeAt,
)
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.state import State
from orchestrator.scheduler.validation import validate
from orchestrator.stoppers import make_stopper
from tests.scheduler.support import (
    Numbers,
    checkpoint,
    completed,
    diverged,
    dump,
    failed,
    joined,
    lost,
    released,
    reported,
    saved,
    started,
    stop_requested,
    time_reached,
)

SINCE_FORMAT_5 = {TrialStopRequested}
SINCE_FORMAT_4 = {TrialBuilt, WorkerSpent}
SINCE_FORMAT_3 = {RunResumed, WorkerWornOut, NodeDraining, CheckpointDelayed, CheckpointDamaged, Suspend, Dismiss}
ASSETS = Path(__file__).parent / "assets"
HEADER = Header(
    format=FORMAT,
    study="digits",
    objective="val",
    direction="max",
    seed=2**64 - 1,
    fingerprint="abc",
    hyperparameters=["rate", "units"],
    versions={"orchestrator": "0.1.0"},
    started=1767225600.25,
    settings={"trials": 10, "target": None, "stopper": "asha", "cpus_per_trial": 0.5},
)
ASSIGNMENT = Assignment(
    trial=3,
    attempt=2,
    configuration={"rate": 1e-7, "units": 2**62, "optimizer": "ädam", "momentum": None, "nesterov": True, "depth": 1.0},
    seed=2**32 - 1,
    after_epoch=1,
    to_epoch=3,
    max_epochs=9,
    start=checkpoint(3, 1),
    repeat_of=1,
    keep_above=-0.25,
)
RECORDS = [
    started(),
    joined(0, at=0.1),
    lost(0, at=1e9),
    time_reached(0.30000000000000004),
    stop_requested(),
    reported(0, 1, 0.1 + 0.2, loss=5e-324),
    reported(0, 2, nan, loss=inf, margin=-inf),
    TrialStopRequested(at=1.5, trial=0, reason="asked to stop by ann@home"),
    saved(0, 2, best=1),
    completed(0),
    diverged(0, epoch=2),
    failed(0, where="study.py:7", bad_study=True),
    failed(0, kind="out of memory"),
    released(0, attempt=3),
    WorkerLost(at=1.0, worker=3, reason="it is gone", cause="preempted"),
    WorkerWornOut(at=1.0, worker=3, reason="its memory grew"),
    WorkerSpent(at=1.0, worker=3, seconds={"train": 0.25, "wait": 1e-6}),
    TrialBuilt(at=1.0, trial=0, attempt=1, structure="784-128-10", reused=True),
    NodeDraining(at=1.0, node="a", reason="it is about to be taken away"),
    CheckpointDelayed(at=1.0, trial=0, attempt=1, reason="no space left"),
    CheckpointDamaged(at=1.0, trial=0, attempt=1, name="trial-0-attempt-1-epoch-1", reason="it is missing"),
    RunResumed(at=1.0, settings={"trials": 50, "max_time": None}, changes=["tensorflow is 3, and was 2"]),
    Suspend(worker=0, trial=1, attempt=1, reason="to go on", cause="stalled"),
    Dismiss(worker=0, reason="it is worn out"),
    Train(worker=0, assignment=ASSIGNMENT, reason="promoted: epoch 1, rank 1 of 3", queued=True),
    Pause(worker=0, trial=1, attempt=1, reason="„to wait“\n\t\x00"),
    Stop(worker=None, trial=1, attempt=1, reason="to end"),
    Stop(worker=0, trial=1, attempt=1, reason=""),
    Propose(number=7),
    ConfigurationProposed(at=2.5, number=7, configuration=ASSIGNMENT.configuration),
    SamplerExhausted(at=2.75, number=8, reason="nothing is left"),
    Adapt(part="stopper", settings={"grace": 3, "box": [[0.25, 0.5]]}, reason="epoch 1 does not predict epoch 9"),
    StopSampling(reason="no more"),
    Discard(checkpoint=checkpoint(0, 1)),
    GiveUp(trial=0, attempt=4, reason="its worker was lost 3 times: its node died"),
    WakeAt(time=60.0),
    EndRun(outcome="interrupted", reason="interrupted by Ctrl-C"),
    Finish(outcome="failed", reason="no trial has a score"),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(tmp_path, HEADER)
    yield journal
    journal.close()


def read(run_dir: Path) -> list[typing.Any]:
    return list(read_journal(run_dir)[1])


def test_every_kind_of_record_is_read_as_it_was_written(journal: Journal, tmp_path: Path) -> None:
    assert {type(record) for record in RECORDS} == set(typing.get_args(AnyEvent | AnyInstruction))
    journal.append(RECORDS)
    header, records = read_journal(tmp_path)
    assert header == HEADER
    assert [(type(r), dump(r)) for r in records] == [(type(r), dump(r)) for r in RECORDS]


@settings(max_examples=20, deadline=None)
@given(reports=st.lists(st.dictionaries(st.text(), st.floats(), max_size=4), max_size=20))
def test_every_metric_survives(tmp_path_factory: pytest.TempPathFactory, reports: list[dict[str, float]]) -> None:
    folder = tmp_path_factory.mktemp("run")
    journal = Journal.create(folder, HEADER)
    journal.append(
        TrialReported(at=0.0, trial=0, attempt=1, epoch=epoch, metrics=metrics, seconds=1.0)
        for epoch, metrics in enumerate(reports)
    )
    journal.close()
    assert [dump(record.metrics) for record in read(folder)] == dump(reports)


def test_it_is_one_json_object_a_line(journal: Journal, tmp_path: Path) -> None:
    journal.append(RECORDS)
    lines = (tmp_path / FILE).read_text().splitlines()
    assert len(lines) == 1 + len(RECORDS)
    assert [json.loads(line)["type"] for line in lines] == ["Header", *(type(r).__name__ for r in RECORDS)]
    assert json.loads(lines[7])["metrics"] == {"val": "nan", "loss": "inf", "margin": "-inf"}


def test_appending_nothing_writes_nothing(journal: Journal, tmp_path: Path) -> None:
    before = (tmp_path / FILE).read_bytes()
    journal.append([])
    assert (tmp_path / FILE).read_bytes() == before


def test_what_is_appended_is_there_at_once_and_read_along(journal: Journal, tmp_path: Path) -> None:
    assert read(tmp_path) == []
    journal.append(RECORDS[:2])
    _, records = read_journal(tmp_path)
    assert next(records) == RECORDS[0]
    journal.append(RECORDS[2:4])
    assert list(records) == RECORDS[1:4]


def test_what_is_appended_together_is_synced_together(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append((tmp_path / FILE).stat().st_size))
    journal.append(RECORDS[:5])
    journal.append(RECORDS[5:])
    assert len(synced) == 2 and synced[1] == (tmp_path / FILE).stat().st_size


def test_a_reader_sees_no_half_record(journal: Journal, tmp_path: Path) -> None:
    journal.append(RECORDS[:3])
    whole = (tmp_path / FILE).read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole)):
        (tmp_path / FILE).write_bytes(whole[:end])
        assert read(tmp_path) == RECORDS[:2], "a torn last line is dropped"


@pytest.mark.parametrize("torn", [b"", b"{", b"\x00" * 100, b'{"type":"RunStarted","at":0.0}', b"\xff"])
def test_whatever_a_crash_left_at_the_end_is_dropped(journal: Journal, tmp_path: Path, torn: bytes) -> None:
    journal.append(RECORDS[:3])
    with (tmp_path / FILE).open("ab") as file:
        file.write(torn)
    assert read(tmp_path) == RECORDS[:3]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"type":"RunStarted"}',
        b'{"type":"NeverHeardOf","at":0.0}',
        b'{"type":"RunStarted","at":null}',
        b'{"at":0.0}',
        b'{"type":"StopRequested","at":0.0,"reason":"\xff\xfe"}',
        b"\x00\x00\x00",
    ],
)
def test_damage_is_told_with_its_line(journal: Journal, tmp_path: Path, line: bytes) -> None:
    journal.append(RECORDS[:4])
    lines = (tmp_path / FILE).read_bytes().split(b"\n")
    lines[3] = line
    (tmp_path / FILE).write_bytes(b"\n".join(lines))
    _, records = read_journal(tmp_path)
    assert next(records) == RECORDS[0] and next(records) == RECORDS[1]
    with pytest.raises(JournalDamaged, match=r"journal\.jsonl, line 4: damaged"):
        next(records)


@pytest.mark.parametrize(
    "first", [b"", b"{", b"[1]", b"{}", b'"format"', b'{"format":1}', b'{"type":"Header","format":1}', b"\xff"]
)
def test_without_a_header_it_is_no_journal(tmp_path: Path, first: bytes) -> None:
    (tmp_path / FILE).write_bytes(first + b"\n")
    with pytest.raises(JournalDamaged, match=r"journal\.jsonl, line 1: not the header of a journal"):
        read_journal(tmp_path)


def test_an_empty_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(JournalDamaged, match="line 1"):
        read_journal(tmp_path)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"type":"Header","format":99,"unheard":"of"}\n')
    with pytest.raises(UserError, match=r"format 99 is not known to this version, which reads 1"):
        read_journal(tmp_path)


def test_what_a_newer_version_adds_to_a_record_is_passed_over(journal: Journal, tmp_path: Path) -> None:
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"type":"WorkerJoined","at":0.0,"worker":0,"node":"a","rack":7}\n')
    assert read(tmp_path) == [joined(0)]


def test_a_directory_without_a_journal_is_no_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="is no run directory"):
            read_journal(path)


# One writer.


def test_a_second_driver_is_told_who_holds_the_lock(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is held by another driver") as refused:
        Journal.create(tmp_path, HEADER)
    assert socket.gethostname() in str(refused.value) and str(os.getpid()) in str(refused.value)
    journal.append(RECORDS[:1])
    assert read(tmp_path) == RECORDS[:1], "it did no harm"


def test_the_lock_is_gone_when_the_journal_is_closed(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    held = json.loads((tmp_path / LOCK).read_text())
    assert (held["host"], held["pid"]) == (socket.gethostname(), os.getpid())
    journal.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


def test_the_journal_of_another_run_is_never_overwritten(tmp_path: Path) -> None:
    Journal.create(tmp_path, HEADER).close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(UserError, match="holds the journal of another run: choose another --run-dir"):
        Journal.create(tmp_path, HEADER)
    assert (tmp_path / FILE).read_bytes() == before and not (tmp_path / LOCK).exists()


# For ever.


def test_a_journal_of_format_1_loads() -> None:
    """Trials of ASHA: promoted and completed, paused, diverged, lost and paused, failed, interrupted, given up."""
    header, records = read_journal(ASSETS / "journal-format-1")
    assert (header.format, header.study, header.seed) == (1, "digits", 7)
    assert header.hyperparameters == ["learning_rate", "units", "optimizer", "momentum"]
    read = list(records)
    new = {ConfigurationProposed, SamplerExhausted, Propose, Adapt, *SINCE_FORMAT_3, *SINCE_FORMAT_4, *SINCE_FORMAT_5}
    assert {type(record) for record in read} == set(typing.get_args(AnyEvent | AnyInstruction)) - new
    objective = Objective(header.objective, "min")
    state = State(objective)
    for record in read:
        state.apply(record)
    validate(state)
    rows = [(t.status, t.attempt, t.epoch, t.score and objective.turn(t.score), t.worker) for t in state.trials]
    assert rows == [
        ("completed", 1, 3, 0.4, 0),
        ("stopped", 1, 1, 0.7, 1),
        ("diverged", 1, 1, None, 0),
        ("stopped", 2, 1, 0.8, 2),
        ("failed", 1, 0, None, 0),
        ("stopped", 1, 1, 0.65, 2),
        ("failed", 4, 0, None, 4),
    ]
    best = state.best
    assert best is state.trials[0] and best.best is not None and best.best.epoch == 2
    assert best.configuration == {"learning_rate": 0.3387406534864, "units": 29, "optimizer": "adam"}
    assert best.checkpoint is not None and best.checkpoint.name == "trial-0-attempt-1-epoch-3.npz"
    assert dump(state.trials[1].curve[0].metrics) == {"loss": 0.63, "val_loss": 0.7, "weight_norm": inf, "margin": -inf}
    assert dump(state.trials[2].curve[0].metrics) == {"loss": "nan", "val_loss": "nan"}
    assert state.trials[3].reason == "interrupted by Ctrl-C (was paused)"
    assert state.trials[4].reason == "ResourceExhaustedError: out of memory: “units” is 64"
    assert state.trials[6].reason == "its worker was lost 3 times: it ran out of memory"
    assert (state.words_ignored, state.epochs_trained, sorted(state.workers)) == (1, 7, [2, 5])
    assert state.finished == Finish(outcome="interrupted", reason="interrupted by Ctrl-C")


def test_a_journal_of_format_2_loads() -> None:
    """A slow sampler that is exhausted after 18 trials, and ASHA that measures where its first rung is."""
    header, records = read_journal(ASSETS / "journal-format-2")
    read = list(records)
    assert header.format == 2
    assert {ConfigurationProposed, SamplerExhausted, Propose, Adapt} <= {type(record) for record in read}
    objective = Objective(header.objective, "max")
    scheduler = Scheduler(
        objective, Numbers(slow=True), make_stopper("asha", 9, objective), Limits(), max_epochs=9, seed=5
    )
    scheduler.fold(read)
    state = scheduler.state
    validate(state)
    assert len(state.trials) == 18 and state.sampler_exhausted == "18 are enough"
    assert [adapt.reason for adapt in state.adaptations] == [
        "grace 1: epoch 1 predicts epoch 3, Spearman 1.00 over 8 trials"
    ]
    assert scheduler.stopper.horizon(18, 0) == 1
    assert state.best is not None and (state.best.number, state.epochs_trained) == (16, 76)
    assert state.finished is not None and state.finished.outcome == "done"


def test_the_stopper_too_is_folded_from_it() -> None:
    objective = Objective("val_loss", "min")
    stopper = make_stopper("asha:grace=1", 3, objective)
    scheduler = Scheduler(objective, Numbers(), stopper, Limits(), max_epochs=3, seed=7)
    scheduler.fold(read_journal(ASSETS / "journal-format-1")[1])
    assert [trial for _, _, trial in stopper.ladder.rungs[0].entries] == [0, 1, 3, 2], "trial 5 reported after its stop"
    assert list(stopper.finalists()) == []
