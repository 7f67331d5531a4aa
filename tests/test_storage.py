"""Where checkpoints live: the same on a folder and behind a URL, and one line for whatever goes wrong."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from orchestrator import storage as module
from orchestrator.errors import UserError
from orchestrator.storage import Folder, Storage, check_name, is_url, open_storage, prepare, why_refused
from tests.disks import read_only_folder, small_disk

BAD_NAMES = [
    *("", ".", "..", "../x", "a/b", "/etc/passwd", "..\\x", "a\\b", ".hidden"),
    *("a\0b", "a\nb", "\ud800", "x" * 251, "*", "a?", "[a]"),
]


class Odd(MemoryFileSystem):
    """Fails as other people's file systems do: with errors of their own."""

    protocol = "odd"
    error: Exception | None = None

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        if self.error is not None:
            raise self.error
        super().pipe_file(path, value, mode, **options)

    cat_file = ls = rm_file = lambda self, *_, **__: self.pipe_file("", b"")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    fsspec.register_implementation("odd", Odd, clobber=True)
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    Odd.error = None


@pytest.fixture(params=["folder", "file", "memory", "objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "objects":
        monkeypatch.setattr(module, "OBJECT_STORES", {"memory"})
    where = {"folder": str(tmp_path / "run"), "file": f"file://{tmp_path}/run"}
    return open_storage(where.get(request.param, "memory://bucket/run"))


def test_files_are_written_read_listed_and_deleted(storage: Storage) -> None:
    assert storage.sizes() == {}
    storage.write("a.npz", b"one")
    storage.write("b.npz", b"")
    storage.write("a.npz", b"three")
    assert storage.read("a.npz") == b"three"
    assert storage.sizes() == {"a.npz": 5, "b.npz": 0}
    storage.delete("a.npz")
    storage.delete("a.npz")
    assert storage.sizes() == {"b.npz": 0}
    with pytest.raises(FileNotFoundError):
        storage.read("a.npz")


def test_folders_are_apart(storage: Storage) -> None:
    storage.write("study.json", b"{}")
    inner = storage.folder("checkpoints")
    assert inner.sizes() == {}
    inner.write("study.json", b"other")
    assert storage.sizes() == {"study.json": 2}
    assert storage.read("study.json") == b"{}"
    assert open_storage(inner.where).read("study.json") == b"other"


def test_a_listing_is_never_an_old_one(storage: Storage) -> None:
    other = open_storage(storage.where)
    storage.write("a", b"1")
    assert other.sizes() == {"a": 1}
    other.write("b", b"12")
    assert storage.sizes() == {"a": 1, "b": 2}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_lead_nowhere_else(name: str, storage: Storage) -> None:
    for use in (storage.read, storage.delete, storage.folder, lambda name: storage.write(name, b"")):
        with pytest.raises(ValueError, match="not a plain file name"):
            use(name)


def test_good_names() -> None:
    for name in ("trial-3-attempt-1-epoch-9-best.npz", "00000000000000000000.jsonl", "x" * 250, "Prüfung 7 (b)"):
        assert check_name(name) == name


def test_prepare_makes_the_folder_and_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    prepare(open_storage(tmp_path / "not" / "yet"))
    prepare(storage)
    assert storage.sizes() == {}


def test_a_share_that_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    checkpoints = open_storage(tmp_path / "share" / "run")
    with pytest.raises(FileNotFoundError):
        checkpoints.write("a", b"")
    with pytest.raises(FileNotFoundError):
        checkpoints.sizes()
    assert list(tmp_path.iterdir()) == []


def test_links_and_hidden_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_bytes(b"1")
    assert Folder(tmp_path).sizes() == {"plain": 1}


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_storage("runs").where == str(tmp_path / "runs")
    assert open_storage("file:///a%20b/c").where == "/a b/c"
    assert open_storage("MEMORY://a/b/").where == "memory://a/b"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://key:secret@bucket/runs", "s3://…: give credentials in the environment"),
        ("s3://AKIAABCDEFGHIJKLMNOP@bucket/runs", "s3://…: give credentials in the environment"),
        ("s3://key:sec/ret@bucket/runs", "s3://…: give credentials in the environment"),
        ("s3://key:123/secret@bucket/runs", "s3://…: give credentials in the environment"),
        ("gs://token@bucket/runs", "gs://…: give credentials in the environment"),
        ("sftp://me:secret@host/runs", "sftp://…: give credentials in the environment"),
        ("sftp://me:123/secret@host/runs", "sftp://…: give credentials in the environment"),
        ("sftp://me:se/cret@host/runs", "sftp://…: give credentials in the environment"),
        ("memory://a/b?token=secret", "memory://…: a storage URL is protocol://bucket/path without '?'"),
        ("memory://a/b#secret", "memory://…: a storage URL is protocol://bucket/path without '#'"),
        ("memory://[::1]:22/a", "memory://…: a storage URL is protocol://bucket/path without '::'"),
        ("memory://a::file://secret", "memory://…: a storage URL is protocol://bucket/path without '::'"),
        ("memory://a/../secret", "memory://…: a storage URL has no '..'"),
        ("memory://a/b\nsecret", "memory://…: a storage URL has no '..' and no control characters"),
        ("memory://", "memory://: a storage needs a path below the bucket or root"),
        ("file://", "file://: a storage needs an absolute path below the root, as in file:///shared/runs"),
        ("file:///", "a storage needs an absolute path below the root"),
        ("file://runs", "file://runs: a storage needs an absolute path below the root"),
        ("s33://bucket/runs", "s33://bucket/runs: there is no protocol 's33'; did you mean 's3'?"),
        ("", "'' is no storage: give a folder or a URL"),
        ("a\0b", "is no storage"),
    ],
)
def test_urls_that_are_refused(url: str, expected: str) -> None:
    with pytest.raises(UserError) as refused:
        open_storage(url)
    assert expected in str(refused.value)
    assert "secret" not in str(refused.value) and "AKIA" not in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["memory://a", "memory://me@host:22/a", "memory://a b/ü"])
def test_urls_that_are_taken(url: str) -> None:
    assert open_storage(url).where == url


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(UserError) as refused:
        open_storage("s3://bucket/runs")
    assert str(refused.value) == (
        "s3://bucket/runs needs a package that is not installed: Install s3fs to access S3 (pip install s3fs)"
    )


def test_is_url() -> None:
    assert all(map(is_url, ("s3://b/x", "file:///x", "gcs+x://b")))
    assert not any(map(is_url, ("runs", "/runs", "./s3://x", "C:\\runs", "runs/a:b", "")))


def test_a_bucket_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "_strip_protocol", classmethod(lambda cls, url: url.removeprefix("odd://")))
    with pytest.raises(UserError) as refused:
        open_storage("odd://bucket")
    assert str(refused.value) == (
        "odd://bucket: a storage needs a path below the bucket or root, as in odd://bucket/runs"
    )
    assert open_storage("odd://bucket/runs").where == "odd://bucket/runs"


def test_errors_of_other_libraries_are_one_line_without_credentials() -> None:
    Odd.error = RuntimeError(
        "no answer from https://me:word@host/x\n  (AWSSecretKey=abc/def, X-Amz-Signature: 12ab, AKIAABCDEFGHIJKLMNOP) "
        + "x" * 900
    )
    odd = open_storage("odd://a/b")
    for use in (odd.read, odd.delete, lambda _: odd.sizes(), lambda name: odd.write(name, b"")):
        with pytest.raises(OSError) as refused:
            use("a")
        line = str(refused.value)
        assert "no answer from https://***@host/x (AWSSecretKey=*** X-Amz-Signature: *** ***)" in line
        assert "\n" not in line and len(line) < 400
    with pytest.raises(UserError, match=r"^the storage odd://a/b cannot be used: no answer from [^\n]*$"):
        prepare(odd)


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "Forbidden"), PermissionError("Forbidden")])
def test_the_kind_of_an_error_is_kept(error: OSError) -> None:
    Odd.error = error
    odd = open_storage("odd://a/b")
    with pytest.raises(OSError, match="Forbidden") as refused:
        odd.write("a", b"")
    assert refused.value.errno in (errno.EACCES, errno.EIO)
    assert why_refused(refused.value, odd) == "the storage refused: Forbidden (odd://a/b)"


def test_a_folder_that_cannot_be_written() -> None:
    with read_only_folder() as path:
        with pytest.raises(PermissionError) as refused:
            Folder(path).write("a", b"")
        assert why_refused(refused.value, Folder(path)) == f"the storage refused: Permission denied ({path})"
        with pytest.raises(UserError) as unusable:
            prepare(Folder(path))
    assert str(unusable.value) == (
        f"the storage {path} cannot be used: the storage refused: Permission denied ({path})"
    )


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as path:
        disk = Folder(path)
        disk.write("a", b"old")
        with pytest.raises(OSError) as refused:
            disk.write("a", bytes(2 * 2**20))
        assert refused.value.errno == errno.ENOSPC
        assert why_refused(refused.value, disk) == f"no space left on the disk that holds {path}"
        assert disk.read("a") == b"old"
        assert [entry.name for entry in path.iterdir()] == ["a"]
        disk.write("a", b"new")
        assert disk.read("a") == b"new"


def test_fsspec_is_not_imported_for_nothing() -> None:
    code = "import sys, orchestrator.storage as s; s.open_storage('x'); print('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
