"""Who may reach the servers of a Ray cluster that we start: this machine alone, or those who have its token."""

import ipaddress
import os
import secrets
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ray._private.authentication.authentication_utils import is_token_auth_enabled

from orchestrator.errors import RunFailed, UserError

LOOPBACK = "127.0.0.1"
WIDE_OPEN = 0o077
"""Modes with which others than the owner have something of a file."""


def check_dashboard_host(host: str | None, *, joins: bool) -> str:
    """The address where the dashboard of a cluster of ours is to listen.

    Args:
        joins: The cluster is not ours.

    Raises:
        UserError: It cannot listen there, or must not, or is not ours.
    """
    host = LOOPBACK if host is None else host
    if joins:
        if host != LOOPBACK:
            raise UserError(
                f"dashboard_host is {host!r}, but the cluster to join (--address, RAY_ADDRESS) has its own dashboard: "
                "leave one of them out"
            )
        return host
    address = _address(host)
    mode = os.environ.get("RAY_AUTH_MODE")
    if not is_loopback(address) and mode is not None and mode.lower() != "token":
        raise UserError(
            f"dashboard_host {host!r} lets other machines reach the dashboard, and with it run code as you, while "
            f"RAY_AUTH_MODE={mode} asks nobody for a token: set RAY_AUTH_MODE=token, or use {LOOPBACK}"
        )
    return address


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _address(host: str) -> str:
    """Of this machine, by its name or as it is."""
    problem = "it is empty" if not host else "it is an address of no interface"
    try:
        # The encoding of names has errors of its own.
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError, ValueError) as error:
        found, problem = [], f"{getattr(error, 'strerror', None) or error}"
    for family, kind, protocol, _, place in found:
        with suppress(OSError), socket.socket(family, kind, protocol) as candidate:
            candidate.bind(place)
            return str(place[0])
    raise UserError(
        f"dashboard_host is {host[:60]!r}, where this machine cannot listen ({problem}): "
        f"use {LOOPBACK}, 0.0.0.0 or an address of this machine"
    )


def check_guarded(host: str) -> None:
    """RunFailed where a dashboard that others can reach came up without asking for a token."""
    if not is_loopback(host) and not is_token_auth_enabled():
        raise RunFailed(f"Ray started without token authentication, and its dashboard must not listen at {host} then")


def opened_line(url: str | None, host: str) -> str:
    """What has been opened to others, and with what they get in."""
    port = (url or "").rpartition(":")[2]
    name = socket.gethostname() if ipaddress.ip_address(host).is_unspecified else host
    where = "RAY_AUTH_TOKEN" if "RAY_AUTH_TOKEN" in os.environ else str(token_path())
    return (
        f"The dashboard can be reached from other machines at {dashboard_url(name, port)}: it asks for the token in "
        f"{where}, and its traffic is not encrypted"
    )


def dashboard_url(host: str, port: str) -> str:
    """As somebody on this machine can open it."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def token_path() -> Path:
    """Where Ray looks for its token, unless that is in the environment."""
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(given) if given else Path.home() / ".ray" / "auth_token"


def make_token() -> None:
    """The token for clusters on this machine, if there is none: Ray would write it for everybody to read."""
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token" or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        return
    path = token_path()
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):  # Ray says so itself.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(aside, path)  # Whoever is first; nobody finds half of it.
        finally:
            aside.unlink()


def guard_token(say: Callable[[str], None]) -> None:
    """Nobody but its owner reads the token's file: whoever has the token runs code as the owner of the cluster."""
    if os.name == "nt" or "RAY_AUTH_TOKEN" in os.environ or not is_token_auth_enabled():
        return
    path = token_path()
    try:
        found = path.stat()
        if not found.st_mode & WIDE_OPEN:
            return
        mode = f"{stat.S_IMODE(found.st_mode):o}"
        problem = "it belongs to another user" if found.st_uid != os.geteuid() else ""
        if not problem:
            path.chmod(0o600)
    except OSError as error:
        mode, problem = "unknown", error.strerror or str(error)
    if problem:
        say(f"Warning: others may use the token of Ray in {path} (mode {mode}), and that stays so: {problem}")
