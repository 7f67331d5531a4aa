"""Who may reach a cluster of ours, without starting one; `tests/processes/test_hostile.py` starts them."""

import os
import stat
from pathlib import Path

import pytest

from orchestrator.errors import RunFailed, UserError
from orchestrator.workers import access


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def asks_for_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has started a cluster."""
    monkeypatch.setattr(access, "is_token_auth_enabled", lambda: True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (None, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("0.0.0.0", "0.0.0.0"),
        ("localhost", None),
    ],
)
def test_a_dashboard_listens_where_this_machine_can(host: str | None, address: str | None) -> None:
    found = access.check_dashboard_host(host, joins=False)
    assert found == address or (address is None and access.is_loopback(found))


@pytest.mark.parametrize("host", ["", "no such host", "203.0.113.9", "a..b", "x" * 300, "a\0b", "256.1.1.1", "\udcff"])
def test_other_hosts_are_told_in_one_line(host: str) -> None:
    with pytest.raises(UserError, match="cannot listen") as raised:
        access.check_dashboard_host(host, joins=False)
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 300


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize("auth", ["disabled", "", "tokn"])
def test_no_dashboard_is_open_to_others_without_a_token(host: str, auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", auth)
    with pytest.raises(UserError, match="RAY_AUTH_MODE=token") if _can_listen(host) else pytest.raises(UserError):
        access.check_dashboard_host(host, joins=False)
    assert access.check_dashboard_host("127.0.0.1", joins=False) == "127.0.0.1"


def _can_listen(host: str) -> bool:
    return host != "::" or Path("/proc/net/if_inet6").exists()


@pytest.mark.parametrize("auth", ["token", "TOKEN", None])
def test_with_a_token_it_may_be(auth: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if auth is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", auth)
    assert access.check_dashboard_host("0.0.0.0", joins=False) == "0.0.0.0"


def test_a_cluster_that_is_joined_keeps_its_dashboard() -> None:
    assert access.check_dashboard_host(None, joins=True) == "127.0.0.1"
    with pytest.raises(UserError, match="has its own dashboard"):
        access.check_dashboard_host("0.0.0.0", joins=True)


def test_ray_that_started_without_asking_for_a_token_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "is_token_auth_enabled", lambda: False)
    access.check_guarded("127.0.0.1")
    with pytest.raises(RunFailed, match="without token authentication"):
        access.check_guarded("0.0.0.0")


def test_what_is_said_of_an_open_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"at http://192.0.2.7:8265: it asks for the token in {access.token_path()}" in access.opened_line(
        "http://192.0.2.7:8265", "192.0.2.7"
    )
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert "in RAY_AUTH_TOKEN," in access.opened_line("http://127.0.0.1:8265", "0.0.0.0")
    assert access.dashboard_url("::", "8265") == "http://[::1]:8265"


def test_a_new_token_is_its_owners_alone() -> None:
    old = os.umask(0)
    try:
        access.make_token()
    finally:
        os.umask(old)
    path = access.token_path()
    token = path.read_text()
    assert len(token) == 64 and mode(path) == 0o600 and mode(path.parent) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["auth_token"]
    access.make_token()
    assert path.read_text() == token


@pytest.mark.parametrize(
    ("name", "value"), [("RAY_AUTH_TOKEN", "x"), ("RAY_AUTH_TOKEN_PATH", "/nowhere"), ("RAY_AUTH_MODE", "disabled")]
)
def test_no_token_is_made_where_one_is_given_or_none_is_asked_for(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value)
    access.make_token()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("asks_for_token")
def test_the_mode_of_a_token_that_others_can_read_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    path.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    said: list[str] = []
    access.guard_token(said.append)
    assert mode(path) == 0o600 and said == []


@pytest.mark.usefixtures("asks_for_token")
def test_what_cannot_be_mended_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    path.chmod(0o640)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    said: list[str] = []
    access.guard_token(said.append)
    assert mode(path) == 0o640
    assert len(said) == 1 and "mode 640" in said[0] and "belongs to another user" in said[0]

    path.unlink()
    access.guard_token(said.append)
    assert "No such file" in said[1]
