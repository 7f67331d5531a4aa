"""Two hosts on one machine: network namespaces with addresses of their own, and a link between them that can be cut."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from site import getsitepackages

import psutil

ROOT = Path(__file__).parents[2]
PREFIX = "10.88.77"
PORT = 6379
HEALTH = {"period_ms": 500, "timeout_ms": 1000, "failure_threshold": 6, "initial_delay_ms": 0}
"""Of a node that cannot be reached, for which Ray waits for a minute else."""


class Hosts:
    """`a` has the product and the head, `b` only the libraries, and no view of `hidden` or of Ray on `a`."""

    def __init__(self, hidden: Path) -> None:
        self.hidden = hidden
        self.folder = Path(tempfile.mkdtemp(prefix="hosts-", dir="/tmp"))  # Ray's sockets have short paths.
        self.names = {host: f"orchestrator-{os.getpid()}-{host}" for host in "ab"}
        self.started: list[subprocess.Popen[bytes]] = []
        self.address = f"{PREFIX}.1:{PORT}"
        (self.folder / "token").touch(mode=0o600)
        (self.folder / "token").write_text(secrets.token_hex(32))

    def command(self, host: str, *words: object) -> list[str]:
        return ["ip", "netns", "exec", self.names[host], *map(str, words)]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "CUDA_", "PYTHON"))}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.folder / "token")}
        health = {f"RAY_health_check_{name}": str(value) for name, value in HEALTH.items()}
        return kept | token | health | {"OUR_HOSTS": str(self.folder), "RAY_USAGE_STATS_ENABLED": "0"} | more

    def connect(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        veth = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns"]
        run("ip", "-n", self.names["a"], *veth, self.names["b"])
        for number, name in enumerate(self.names.values(), 1):
            run("ip", "-n", name, "address", "add", f"{PREFIX}.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")

    def cut(self) -> None:
        run("ip", "-n", self.names["a"], "link", "set", "eth0", "down")

    def start_ray(self) -> None:
        ray = ("-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", 1, "--object-store-memory", 100 * 2**20)
        head = ("--head", "--node-ip-address", f"{PREFIX}.1", "--port", PORT, "--dashboard-host", "127.0.0.1")
        self._begin(self.command("a", sys.executable, *ray, *head, "--temp-dir", self.folder / "ray"), "a")
        wait_until(self._answers, 60, "the head to answer")
        # A node keeps its files where the head does: on one disk it would find there what was never sent to it.
        hide = f'mount -t tmpfs tmpfs {self.hidden} && mount -t tmpfs tmpfs {self.folder / "ray"} && exec "$@"'
        joins = (self._python_without_product(), *ray, "--address", self.address, "--node-ip-address", f"{PREFIX}.2")
        self._begin(self.command("b", "sh", "-c", hide, "sh", *joins), "b")

    def _answers(self) -> bool:
        code = f"import socket; socket.create_connection(('{PREFIX}.1', {PORT}), 1)"
        return subprocess.run(self.command("a", sys.executable, "-c", code), capture_output=True).returncode == 0

    def _python_without_product(self) -> Path:
        """The same libraries, and nothing that is installed in development mode."""
        venv.create(self.folder / "venv", symlinks=True)
        (site,) = (self.folder / "venv").glob("lib/python*/site-packages")
        (site / "libraries.pth").write_text("\n".join(getsitepackages()))
        python = self.folder / "venv" / "bin" / "python"
        code = "import importlib.util as u; assert u.find_spec('ray') and not u.find_spec('orchestrator')"
        subprocess.run([python, "-c", code], check=True, cwd=self.folder, env=self.environment())
        return python

    def _begin(self, command: list[str], host: str) -> None:
        with (self.hidden.parent / f"{host}.log").open("w") as log:
            started = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment(), cwd=self.folder)
        self.started.append(started)

    def end(self) -> None:
        for _ in range(2):
            ours = [process for process in psutil.process_iter() if self._is_ours(process)]
            for process in ours:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(ours, timeout=10)
        for process in self.started:
            process.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            return process.pid != os.getpid() and process.environ().get("OUR_HOSTS") == str(self.folder)
        return False


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.3)


def why_not() -> str | None:
    """Why there cannot be any here."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "network namespaces need Linux and ip (package iproute2)"
    name = f"orchestrator-{os.getpid()}-try"
    link = ["ip", "-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]
    try:
        for command in (["ip", "netns", "add", name], link, ["ip", "netns", "exec", name, "true"]):
            tried = subprocess.run(command, capture_output=True, text=True)
            if tried.returncode != 0:
                return f"no network namespaces with a link here: {tried.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


@contextmanager
def two_hosts(hidden: Path) -> Iterator[Hosts]:
    hosts = Hosts(hidden)
    try:
        hosts.connect()
        hosts.start_ray()
        yield hosts
    finally:
        hosts.end()
