"""A run seen from elsewhere: as it grows, whatever of a line is there, until nobody drives it any more."""

import threading
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from orchestrator import cli, watching
from orchestrator.display.lines import LinesDisplay
from orchestrator.errors import RunFailed, UserError
from orchestrator.journal import FILE, Growing, JournalDamaged, read_journal
from orchestrator.lock import Lock
from orchestrator.run_dir import write_study
from tests.simulated_runs import SPACE, simulated

DESCRIPTION = {"study": "toy", "source": {}, "space": SPACE.to_json()}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.001)


class Watcher:
    """`watch` beside the test."""

    def __init__(self, run_dir: Path) -> None:
        self.out, self.err = StringIO(), StringIO()
        self.result: int | UserError | None = None
        self._thread = threading.Thread(target=self._watch, args=[run_dir])
        self._thread.start()

    def _watch(self, run_dir: Path) -> None:
        try:
            self.result = watching.watch(run_dir, LinesDisplay(out=self.out, err=self.err))
        except UserError as error:
            self.result = error

    def end(self) -> Any:
        self._thread.join(60)
        return self.result


def written(run_dir: Path, **surroundings: Any) -> bytes:
    """The journal of a whole run, whose directory has a description."""
    simulated(run_dir, trials=9, epochs=9)
    write_study(run_dir, DESCRIPTION | surroundings)
    return (run_dir / FILE).read_bytes()


def test_a_finished_run_is_shown_and_gives_its_exit_code(tmp_path: Path) -> None:
    about = simulated(trials=1).about()
    written(tmp_path, workers=4, worker_cpus=2.0, worker_gpus=0.25, cluster=asdict(about.cluster))
    watcher = Watcher(tmp_path)
    assert watcher.end() == 0
    shown = watcher.out.getvalue()
    assert "cluster    10.0.0.1:6379: 2 nodes, 8 CPUs, 1 GPU" in shown
    assert "workers    4, each with 2 CPUs, 0.25 GPU" in shown
    assert "9 of 40 trials" in shown and "Done after" in shown


def test_a_description_of_an_older_version_will_do(tmp_path: Path) -> None:
    written(tmp_path)
    watcher = Watcher(tmp_path)
    assert watcher.end() == 0 and "cluster    not recorded" in watcher.out.getvalue()


def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    whole = written(tmp_path)
    lines = whole.splitlines(keepends=True)
    journal = tmp_path / FILE
    journal.write_bytes(b"".join(lines[:20]))
    lock = Lock(tmp_path)
    lock.take()
    watcher = Watcher(tmp_path)
    with journal.open("ab", buffering=0) as file:
        for line in lines[20:]:
            file.write(line[:7])
            file.write(line[7:])
    assert watcher.result is None
    lock.release()
    assert watcher.end() == 0 and "Done after" in watcher.out.getvalue()


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    whole = written(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / "checkpoints").mkdir()
    watcher = Watcher(tmp_path)
    while "has not begun yet" not in watcher.out.getvalue():
        assert watcher.result is None
    (tmp_path / FILE).write_bytes(whole)
    assert watcher.end() == 0


def test_a_run_that_nobody_drives_is_told(tmp_path: Path) -> None:
    whole = written(tmp_path)
    (tmp_path / FILE).write_bytes(b"".join(whole.splitlines(keepends=True)[:20]) + b'{"type":"Tri')
    result = Watcher(tmp_path).end()
    assert isinstance(result, RunFailed) and "nobody drives" in str(result) and "resume" in str(result)


@pytest.mark.parametrize("run", ["nowhere", "s3://bucket/runs/first"])
def test_what_is_no_run_directory_is_told(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no such run directory|a copy in a storage"):
        watching.watch(run, LinesDisplay(out=StringIO()))


def test_ctrl_c_ends_the_view_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    whole = written(tmp_path)
    (tmp_path / FILE).write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    monkeypatch.setattr(watching, "holder_of", lambda _: {"pid": 7})
    monkeypatch.setattr(watching.time, "sleep", interrupt)
    assert cli.main(["watch", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("the run goes on") and "of 40 trials" in captured.out


# What is read.


def test_only_whole_lines_are_read_and_each_once(tmp_path: Path) -> None:
    written(tmp_path)
    records = list(read_journal(tmp_path)[1])
    growing = Growing(tmp_path)
    read, pieces = [], 0
    while some := growing.read(most=1000):
        read += some
        pieces += 1
    assert read == records and pieces > 10
    last = (tmp_path / FILE).read_bytes().splitlines(keepends=True)[-1]
    with (tmp_path / FILE).open("ab", buffering=0) as file:
        file.write(last[:-1])
        assert growing.read() == []
        file.write(last[-1:])
        assert growing.read() == records[-1:]


def test_damage_is_told_with_its_line(tmp_path: Path) -> None:
    whole = written(tmp_path).splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join([*whole[:5], b"{}\n", *whole[5:]]))
    with pytest.raises(JournalDamaged, match="line 6: damaged"):
        Growing(tmp_path).read()


def test_a_record_that_cannot_follow_is_told_with_its_line(tmp_path: Path) -> None:
    whole = written(tmp_path).splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join([*whole, whole[-1]]))
    result = Watcher(tmp_path).end()
    assert isinstance(result, JournalDamaged) and f"line {len(whole) + 1}" in str(result)


def test_a_journal_that_was_cut_is_told(tmp_path: Path) -> None:
    whole = written(tmp_path)
    growing = Growing(tmp_path)
    growing.read()
    (tmp_path / FILE).write_bytes(whole[:-9])
    with pytest.raises(UserError, match="has become shorter"):
        growing.read()
