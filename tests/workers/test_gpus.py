"""What a worker says of the GPUs that it holds."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.training import devices
from orchestrator.training.devices import Devices
from orchestrator.workers.gpus import GpuWatch
from orchestrator.workers.messages import Warned, decode_messages, encode_messages

GPUS = ("/device:GPU:0", "/device:GPU:1")

See = Callable[..., list[Warned]]


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> See:
    """What is said after two trials of a worker, given what TensorFlow sees and has put there."""

    def see(found: Devices | None, *, held: tuple[str, ...] = ("0",), seconds: float = 60.0, **peaks: int) -> Any:
        tf = pytest.importorskip("tensorflow")
        monkeypatch.setattr(devices, "_found", found)
        memory_info = lambda name: {"peak": peaks[name.replace(":", "")]}  # noqa: E731
        monkeypatch.setattr(tf.config.experimental, "get_memory_info", memory_info)
        said: list[Warned] = []
        watch = GpuWatch(3, held, said.append)
        for _ in range(2):
            watch.after_trial(seconds)
        assert decode_messages(encode_messages(said)) == said
        return said

    return see


def found(*gpus: str, problem: str = "") -> Devices:
    return Devices(1, gpus, (), False, problem)


def test_tensorflow_sees_no_gpu(see: See) -> None:
    text = (
        "Ray gives worker-3 GPU 4, 5, but TensorFlow sees no GPU there: install tensorflow[and-cuda] on that node, or "
        "leave --gpus-per-trial out"
    )
    assert see(found(), held=("4", "5")) == [Warned("no GPU", text)]


def test_a_gpu_on_which_nothing_was_put(see: See) -> None:
    (warned,) = see(found(*GPUS), GPU0=2**20, GPU1=0)
    assert warned.kind == "idle GPU"
    assert warned.text.startswith("worker-3 holds GPU:1, but in a trial of 60 s nothing was put there:")


def test_a_slice_without_a_limit(see: See) -> None:
    assert see(found(GPUS[0], problem="no limit here"), GPU0=1) == [Warned("no memory limit", "no limit here")]


def test_nothing_is_amiss(see: See) -> None:
    assert see(found(*GPUS), GPU0=1, GPU1=1) == []
    assert see(found(GPUS[0]), seconds=1.0, GPU0=0) == []  # Too short a trial to tell.
    assert see(None) == []  # TensorFlow was never imported.
    assert see(found(), held=()) == []
