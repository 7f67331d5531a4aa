"""The copy of a run in its storage: joined, the pieces are the journal, wherever it was cut and whoever went on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import run_copy
from orchestrator.errors import UserError
from orchestrator.run_copy import RunCopy, fetch_run
from orchestrator.storage import open_storage


class Shaky(MemoryFileSystem):
    """Refuses now and then, before or after it has done what it was asked."""

    protocol = "shaky"
    faults: Iterator[str] = iter(())

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        fault = next(self.faults, "none")
        if fault == "before":
            raise OSError("no answer")
        super().mv(path1, path2, **options)
        if fault == "after":
            raise OSError("the answer was lost")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    fsspec.register_implementation("shaky", Shaky, clobber=True)
    yield
    _clear()


def _clear() -> None:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    Shaky.faults = iter(())


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "share").mkdir()
    return "memory://bucket/run" if request.param == "memory" else f"file://{tmp_path}/share/run"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    (path / "study.json").write_bytes(b'{"study": "digits"}')
    (path / "journal.jsonl").write_bytes(b'{"first": 1}\n')
    return path


def add(run_dir: Path, text: bytes) -> None:
    with (run_dir / "journal.jsonl").open("ab") as file:
        file.write(text)


def fetched(url: str, into: Path) -> bytes:
    fetch_run(url, into)
    return (into / "journal.jsonl").read_bytes()


def test_a_run_is_copied_and_fetched(run_dir: Path, url: str, tmp_path: Path) -> None:
    copy = RunCopy(run_dir, open_storage(url))
    copy.copy()
    add(run_dir, b'{"second": 2}\n{"third"')
    copy.copy()
    copy.copy()
    assert open_storage(url).folder("journal").sizes() == {f"{0:020}.jsonl": 13, f"{13:020}.jsonl": 14}
    assert fetched(url, tmp_path / "runs" / "again") == b'{"first": 1}\n{"second": 2}\n'
    again = tmp_path / "runs" / "again"
    assert (again / "study.json").read_bytes() == b'{"study": "digits"}'
    assert {entry.name for entry in again.iterdir()} == {
        "study.json",
        "journal.jsonl",
        "checkpoints",
        "logs",
        "requests",
    }
    assert [entry.name for entry in again.parent.iterdir()] == ["again"]


def test_the_results_are_copied_when_they_are_there(run_dir: Path, url: str) -> None:
    storage = open_storage(url)
    copy = RunCopy(run_dir, storage)
    copy.copy()
    assert storage.sizes() == {"study.json": 19}
    (run_dir / "leaderboard.csv").write_bytes(b"trial\n")
    (run_dir / "best").mkdir()
    (run_dir / "best" / "model.keras").write_bytes(b"model")
    (run_dir / "best" / "config.json.part").write_bytes(b"{")
    copy.copy()
    assert storage.sizes() == {"study.json": 19, "leaderboard.csv": 6}
    assert storage.folder("best").sizes() == {"model.keras": 5}


def test_only_what_has_changed_is_copied(run_dir: Path) -> None:
    storage = open_storage("memory://bucket/run")
    copy = RunCopy(run_dir, storage)
    copy.copy()
    storage.delete("study.json")
    copy.copy()
    assert storage.sizes() == {}
    (run_dir / "study.json").write_bytes(b"{}")
    copy.copy()
    assert storage.sizes() == {"study.json": 2}


def test_a_checkpoint_is_kept_until_the_copy_no_longer_needs_it(run_dir: Path) -> None:
    url = "shaky://bucket/run"
    copy, checkpoints = RunCopy(run_dir, open_storage(url)), open_storage(url).folder("checkpoints")
    checkpoints.write("old.npz", b"1")
    checkpoints.write("new.npz", b"2")
    copy.copy()
    add(run_dir, b'{"discard": "old.npz"}\n')
    copy.discard("old.npz")
    Shaky.faults = iter(["before"])
    with pytest.raises(OSError, match="no answer"):
        copy.copy()
    assert checkpoints.sizes() == {"old.npz": 1, "new.npz": 1}
    copy.copy()
    assert checkpoints.sizes() == {"new.npz": 1}
    copy.copy()


LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b".") + b"\n"), min_size=1, max_size=12)
STEPS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["copy", "copy", "resume", "fetch"])), max_size=8)
FAULTS = st.lists(st.sampled_from(["none", "before", "after"]), max_size=12)


@settings(max_examples=100, deadline=None)
@given(lines=LINES, steps=STEPS, faults=FAULTS, largest=st.integers(1, 64))
def test_joined_the_pieces_are_the_journal(
    lines: list[bytes], steps: list[tuple[int, str]], faults: list[str], largest: int
) -> None:
    """Whenever copies are made, torn lines, refusals, resumes here and on fresh machines and all."""
    whole = b"".join(lines)
    _clear()
    Shaky.faults = iter(faults)
    url = "shaky://bucket/run"
    with tempfile.TemporaryDirectory() as folder, patch.object(run_copy, "LARGEST_PIECE", largest):
        run_dir = Path(folder) / "run-0"
        run_dir.mkdir()
        (run_dir / "study.json").write_bytes(b"{}")
        copy = RunCopy(run_dir, open_storage(url))
        written = 0
        for number, (grown, then) in enumerate([*steps, (len(whole), "copy")], start=1):
            written = min(written + grown, len(whole))
            (run_dir / "journal.jsonl").write_bytes(whole[:written])
            if not _copied(copy):
                continue
            if then == "resume":
                copy = RunCopy(run_dir, open_storage(url))
            elif then == "fetch" and open_storage(url).folder("journal").sizes():
                run_dir = Path(folder) / f"run-{number}"
                written = len(fetched(url, run_dir))
                assert whole.startswith((run_dir / "journal.jsonl").read_bytes())
                copy = RunCopy(run_dir, open_storage(url))
        Shaky.faults = iter(())
        assert _copied(copy)
        assert fetched(url, Path(folder) / "end") == whole


def _copied(copy: RunCopy) -> bool:
    try:
        copy.copy()
    except OSError:
        return False
    return True


def test_a_journal_that_was_cut_is_refused(run_dir: Path, url: str) -> None:
    add(run_dir, b'{"second": 2}\n')
    RunCopy(run_dir, open_storage(url)).copy()
    (run_dir / "journal.jsonl").write_bytes(b'{"first": 1}\n')
    with pytest.raises(UserError) as refused:
        RunCopy(run_dir, open_storage(url)).copy()
    assert str(refused.value) == (
        f"{run_dir}/journal.jsonl is shorter than its copy, {open_storage(url).where}/journal/{0:020}.jsonl: "
        "resume from the URL, or choose another --storage"
    )


def test_the_journal_of_another_run_is_refused(run_dir: Path, url: str) -> None:
    RunCopy(run_dir, open_storage(url)).copy()
    (run_dir / "journal.jsonl").write_bytes(b'{"other": 1}\n{"more": 2}\n')
    (run_dir / "study.json").write_bytes(b"another")
    with pytest.raises(UserError, match=r"journal\.jsonl differs from its copy, .*/0{20}\.jsonl: resume from the URL"):
        RunCopy(run_dir, open_storage(url)).copy()
    assert open_storage(url).read("study.json") == b'{"study": "digits"}'


def test_another_driver_is_noticed(run_dir: Path, url: str, tmp_path: Path) -> None:
    first = RunCopy(run_dir, open_storage(url))
    first.copy()
    fetch_run(url, tmp_path / "there")
    add(tmp_path / "there", b'{"there": 2}\n')
    RunCopy(tmp_path / "there", open_storage(url)).copy()
    add(run_dir, b'{"here": 2}\n')
    with pytest.raises(UserError) as refused:
        first.copy()
    assert str(refused.value) == (
        f"{open_storage(url).where}/journal holds 26 bytes of the journal where this run wrote 13: "
        "another driver writes there"
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (f"{20:020}.jsonl", b"x\n", f"journal/{20:020}.jsonl: the journal's bytes from 13 on are missing"),
        (f"{7:020}.jsonl", b"x\n", f"journal/{7:020}.jsonl: it overlaps the piece before it"),
        (f"{13:020}.jsonl", b"torn", f"journal/{13:020}.jsonl: damaged: it does not hold whole lines of 4 bytes"),
    ],
)
def test_pieces_that_do_not_join(
    name: str, content: bytes, expected: str, run_dir: Path, url: str, tmp_path: Path
) -> None:
    storage = open_storage(url)
    RunCopy(run_dir, storage).copy()
    storage.folder("journal").write(name, content)
    with pytest.raises(UserError) as refused:
        fetch_run(url, tmp_path / "into")
    assert str(refused.value) == f"{storage.where}/{expected}"
    assert not (tmp_path / "into").exists()


def test_other_files_are_no_pieces(run_dir: Path, url: str, tmp_path: Path) -> None:
    storage = open_storage(url)
    RunCopy(run_dir, storage).copy()
    for name in (f"{13:020}.jsonl.part", "13.jsonl", "notes.txt"):
        storage.folder("journal").write(name, b"?")
    assert fetched(url, tmp_path / "into") == b'{"first": 1}\n'


def test_no_run_at_the_url(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        fetch_run(url, tmp_path / "into")
    where = open_storage(url).where
    assert str(refused.value) == f"{where} holds no run: study.json and journal/ are not there"
    assert not (tmp_path / "into").exists()


def test_a_folder_in_use_is_not_fetched_into(run_dir: Path, url: str, tmp_path: Path) -> None:
    RunCopy(run_dir, open_storage(url)).copy()
    with pytest.raises(UserError, match="run is not empty: fetching a run needs a new directory"):
        fetch_run(url, run_dir)
    (tmp_path / "empty").mkdir()
    assert fetched(url, tmp_path / "empty") == b'{"first": 1}\n'


def test_a_folder_that_cannot_be_made(run_dir: Path, url: str, tmp_path: Path) -> None:
    RunCopy(run_dir, open_storage(url)).copy()
    with pytest.raises(UserError, match=r"cannot be fetched into .*study\.json/x: Not a directory$"):
        fetch_run(url, run_dir / "study.json" / "x")
