"""What a machine tells of itself: this one, and the files of NVIDIA's driver as it writes them."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import psutil
import pytest

from orchestrator.workers.examination import machine
from orchestrator.workers.examination.servers import problem_at


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine.look(tmp_path / "not" / "there")
    assert found.versions["tensorflow"] == version("tensorflow") and found.versions["ray"] == version("ray")
    assert 0 < found.disk.free <= found.disk.total == psutil.disk_usage(str(tmp_path)).total
    assert 0 < found.memory_available <= found.memory
    monkeypatch.setattr(machine, "LIBRARIES", ("numpy", "no-such-library"))
    assert machine.versions()["no-such-library"] is None


def test_the_files_of_a_gpu_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "NVIDIA", tmp_path)
    assert machine.look(tmp_path).gpus == [] and machine.look(tmp_path).gpu_driver is None
    for name in ("0000:0a:00.0", "0000:0b:00.0"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
        (tmp_path / "gpus" / name / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t 42\n")
    kernel = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (x)\nGCC version: 12\n"
    (tmp_path / "version").write_text(kernel)
    found = machine.look(tmp_path)
    assert found.gpus == ["NVIDIA H100 80GB HBM3"] * 2 and found.gpu_driver == "570.86.15"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("Authorization") == "Bearer x" else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_whether_a_server_answers(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert problem_at(f"http://{server}", {"Authorization": "Bearer x"}) is None
    assert problem_at(f"http://{server}") == "it answers 401 Unauthorized"
    assert machine.listening([int(server.rpartition(":")[2])]) == ["127.0.0.1"]


def test_what_does_not_answer_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert "refused" in str(problem_at(f"http://127.0.0.1:{port}"))
        assert machine.listening([port]) == []
    assert problem_at("http://127.0.0.1:0/") is not None
