"""A worker's checkpoint files: written however long it takes, and never loaded unless they are what was committed."""

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from orchestrator.assignment import Checkpoint
from orchestrator.storage import Folder
from orchestrator.workers import store as module
from orchestrator.workers.link import Outbox
from orchestrator.workers.messages import Stored
from orchestrator.workers.store import Damaged, Store
from tests.disks import read_only_folder, small_disk

CONTENT = b"weights"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr(module, "ASK_EVERY", 0.005)


def checkpoint(name: str = "trial-0.npz", content: bytes = CONTENT) -> Checkpoint:
    sha256 = hashlib.sha256(content).hexdigest()
    return Checkpoint(name=name, trial=0, epoch=1, best_epoch=1, bytes=len(content), sha256=sha256)


def never() -> bool:
    return False


def fail(reason: str) -> None:
    pytest.fail(reason)


class Shaky(Folder):
    """A folder of a network file system that does not answer the first times."""

    def __init__(self, path: Path, refusals: int) -> None:
        super().__init__(path)
        self.refusals = refusals

    def read(self, name: str) -> bytes:
        self.refusals -= 1
        if self.refusals >= 0:
            raise OSError(errno.ESTALE, "Stale file handle")
        return super().read(name)


def test_a_checkpoint_is_saved_and_loaded(tmp_path: Path) -> None:
    store = Store(Folder(tmp_path), Outbox())
    assert store.save("trial-0.npz", CONTENT, delayed=fail, abandoned=never)
    assert store.load(checkpoint()) == CONTENT


def test_by_way_of_the_driver() -> None:
    outbox = Outbox()
    store = Store(None, outbox)
    assert store.save("trial-0.npz", CONTENT, delayed=fail, abandoned=never)
    assert outbox.take() == [Stored("trial-0.npz", CONTENT)]
    store.received["trial-0.npz"] = CONTENT
    assert store.load(checkpoint()) == CONTENT
    with pytest.raises(Damaged) as refused:
        store.load(checkpoint())
    assert refused.value.reason == "checkpoint trial-0.npz was not sent to this worker"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "checkpoint trial-0.npz is missing in {where}"),
        (b"", "checkpoint trial-0.npz has 0 bytes, 7 by the journal"),
        (CONTENT[:-1], "checkpoint trial-0.npz has 6 bytes, 7 by the journal"),
        (b"Weights", "checkpoint trial-0.npz is damaged: its hash is not the one in the journal"),
    ],
)
def test_a_damaged_file_is_not_loaded(content: bytes | None, reason: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "trial-0.npz").write_bytes(content)
    with pytest.raises(Damaged) as refused:
        Store(Folder(tmp_path), Outbox()).load(checkpoint())
    assert refused.value.reason == reason.format(where=tmp_path)


def test_what_was_sent_is_verified_too() -> None:
    store = Store(None, Outbox())
    store.received["trial-0.npz"] = b"Weights"
    with pytest.raises(Damaged, match="is damaged"):
        store.load(checkpoint())


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "a\0b"])
def test_a_journal_of_others_reads_nothing_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(Damaged, match="is not a plain file name"):
        Store(Folder(tmp_path / "checkpoints"), Outbox()).load(checkpoint(name))


def test_a_folder_in_place_of_the_file_is_damage(tmp_path: Path) -> None:
    (tmp_path / "trial-0.npz").mkdir()
    with pytest.raises(Damaged, match="is missing"):
        Store(Folder(tmp_path), Outbox()).load(checkpoint())


def test_reading_is_tried_again_until_it_works(tmp_path: Path) -> None:
    (tmp_path / "trial-0.npz").write_bytes(CONTENT)
    told: list[str] = []
    store = Store(Shaky(tmp_path, refusals=2), Outbox())
    assert store.fetch(checkpoint(), delayed=told.append, abandoned=never)
    assert told == [f"the storage refused: Stale file handle ({tmp_path})"]
    assert store.load(checkpoint()) == CONTENT, "it is here, and read no second time"


def test_or_until_somebody_wants_the_trial_back(tmp_path: Path) -> None:
    store = Store(Shaky(tmp_path, refusals=10**6), Outbox())
    told: list[str] = []
    assert not store.fetch(checkpoint(), delayed=told.append, abandoned=lambda: bool(told))


def test_a_folder_that_is_gone_is_not_mounted_and_nothing_is_damaged(tmp_path: Path) -> None:
    told: list[str] = []
    store = Store(Folder(tmp_path / "share"), Outbox())
    assert not store.fetch(checkpoint(), delayed=told.append, abandoned=lambda: bool(told))
    (tmp_path / "share").mkdir()
    with pytest.raises(Damaged, match="is missing"):
        store.fetch(checkpoint(), delayed=told.append, abandoned=never)


def test_a_full_disk_delays_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as path:
        (path / "ballast").write_bytes(bytes(900_000))
        told: list[str] = []

        def delayed(reason: str) -> None:
            told.append(reason)
            threading.Timer(0.1, (path / "ballast").unlink).start()

        content = bytes(500_000)
        assert Store(Folder(path), Outbox()).save("a", content, delayed=delayed, abandoned=never)
        assert (path / "a").read_bytes() == content
        assert [entry.name for entry in path.iterdir()] == ["a"]
    assert told == [f"no space left on the disk that holds {path}"]


def test_it_is_told_again_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_EVERY", 0.05)
    told: list[str] = []
    store = Store(Folder(tmp_path / "not" / "mounted"), Outbox())
    assert not store.save("a", b"", delayed=told.append, abandoned=lambda: len(told) >= 3)
    assert told == [f"the storage refused: No such file or directory ({tmp_path}/not/mounted)"] * 3


def test_a_trial_that_is_given_up_is_not_waited_for() -> None:
    told: list[str] = []
    with read_only_folder() as path:
        store = Store(Folder(path), Outbox())
        assert not store.save("a", b"", delayed=told.append, abandoned=lambda: True)
        assert list(path.iterdir()) == []
    assert told == [f"the storage refused: Permission denied ({path})"]
