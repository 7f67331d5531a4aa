"""`doctor` on a cluster that is in order, on one with a node of another Python environment, and without a cluster."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

LONGEST = 120.0

NODE = """
import json, signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
given = json.loads(sys.argv[1])
head = "gcs_address" not in given
parameters = RayParams(node_ip_address="127.0.0.1", num_cpus=1, object_store_memory=100 * 2**20, **given)
node = Node(parameters, head=head, shutdown_at_exit=False, spawn_reaper=False)
print(node.gcs_address, flush=True)
signal.pause()
"""
"""`ray start` lets no two nodes be on the loopback address."""

COMPARE = """
import sys
from orchestrator.workers.cluster import connect
from orchestrator.workers.examination.inspection import Comparison
with connect(sys.argv[1], lambda _: None, study_is_shipped=True) as cluster:
    print(Comparison(cluster).finish(for_keras=True))
"""


@dataclass(frozen=True)
class Place:
    folder: Path
    """Short, for Ray has sockets in it."""
    environment: dict[str, str]

    @contextmanager
    def node(self, python: Path | str = sys.executable, **parameters: Any) -> Iterator[str]:
        """A node on the loopback address, with all that it starts; where its cluster is."""
        command = [str(python), "-c", NODE, json.dumps(parameters)]
        with (self.folder / "node.txt").open("a") as errors:
            process = subprocess.Popen(
                command, env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=self.folder
            )
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, (self.folder / "node.txt").read_text()
            yield address
        finally:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            process.wait()
            process.stdout.close()
            psutil.wait_procs(family, timeout=10)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )

    def doctor(self, *arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Its exit code, and what it says by topic."""
        done = self.run("-m", "orchestrator", "doctor", "--json", *arguments, **environment)
        assert done.stderr == ""
        return done.returncode, {line["topic"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    token = folder / "token"
    token.write_text("0123456789abcdef" * 4)
    token.chmod(0o600)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ours = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # All on the loopback address.
    }
    yield Place(folder, clean | ours)
    shutil.rmtree(folder, ignore_errors=True)


def other_environment(folder: Path) -> Path:
    """Python with the libraries of this one, but for a TensorFlow that says it is 2.20.0."""
    venv.create(folder, symlinks=True)
    libraries = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (libraries / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (libraries / "tensorflow-2.20.0.dist-info").mkdir()
    (libraries / "tensorflow-2.20.0.dist-info" / "METADATA").write_text("Name: tensorflow\nVersion: 2.20.0\n")
    return folder / "bin" / "python"


def bad(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {topic: line["level"] for topic, line in found.items() if line["level"] != "ok"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_cluster_and_a_node_with_another_tensorflow(place: Place) -> None:
    python = other_environment(place.folder / "other")
    dashboard = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": free_port()}
    with place.node(temp_dir=str(place.folder), num_gpus=0, gcs_server_port=free_port(), **dashboard) as address:
        code, found = place.doctor("--address", address)
        # How full the disk and the memory of this machine are is no part of this.
        assert code == 0 and bad(found).keys() <= {"disk", "memory"}, found
        assert found["authentication"]["found"] == "by token"
        assert found["dashboard"]["found"].endswith("answers, from its own machine only")

        # A GPU that exists in Ray's books only.
        with place.node(python, gcs_address=address, num_gpus=1, dashboard_agent_listen_port=0):
            for _ in range(3):  # TensorFlow's import may take longer than is waited for, beside other tests.
                code, found = place.doctor(RAY_ADDRESS=address)
                if found["GPUs"]["level"] != "warning":
                    break
            compared = place.run("-c", COMPARE, address)
        assert code == 1
        assert bad(found).items() >= {"versions": "failure", "GPUs": "failure"}.items()
        header, most, odd = found["versions"]["table"].splitlines()
        assert header.split() == ["tensorflow", "nodes"]
        assert most.split()[1:3] == ["this", "process,"] and odd.split()[0] == "2.20.0"
        assert "TensorFlow sees 0 of the 1 GPU that Ray hands out" in found["GPUs"]["found"]
        assert "versions are not the same everywhere" in compared.stdout and odd in compared.stdout


def test_no_cluster_at_the_address(place: Place) -> None:
    done = place.run("-m", "orchestrator", "doctor", "--address", f"127.0.0.1:{free_port()}")
    line, blank, total = done.stdout.splitlines()
    assert done.returncode == 1 and done.stderr == ""
    assert line.startswith("failure  cluster") and "there is no Ray cluster to join" in line and "--address" in line
    assert (blank, total) == ("", "1 failure")
