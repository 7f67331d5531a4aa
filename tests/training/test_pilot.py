"""What a pilot tells of a trial's memory, where TensorFlow and a GPU are there to tell."""

from typing import Any

import pytest
import tensorflow as tf

from orchestrator.training import devices
from orchestrator.training.data import Data
from orchestrator.training.devices import Devices
from orchestrator.training.pilot import Peak, measure
from tests.training.support import fit_study, loop_study, numbers


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A GPU whose counters are these, for want of a card."""
    counters = {"current": 5, "peak": 900}
    monkeypatch.setattr(devices, "_found", Devices(1, ("/device:GPU:0",), (), False))
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"GPU:0": counters}[name])
    reset = lambda name: {"GPU:0": counters}[name].update(peak=5)  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", reset)
    return counters


def test_the_peak_of_a_trial_that_is_trained(gpu: dict[str, int], data: Data) -> None:
    def fit(_: Any) -> dict[str, Any]:
        gpu["peak"] = 70
        return {}

    assert measure(fit_study(fit=fit), {"rate": 0.01}, 1, 27, data, 60.0) == Peak(70)


def test_of_a_loop(gpu: dict[str, int]) -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            gpu["peak"] = 80
            ctx.report({"val_loss": 1.0})

    assert measure(loop_study(loop), {"rate": 0.01}, 1, 27, None, 60.0) == Peak(80)


def test_a_pilot_that_fails(gpu: dict[str, int], data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        raise MemoryError("no more")

    told = measure(fit_study(build), {"rate": 0.01}, 1, 27, data, 60.0)
    assert told == Peak(problem="the pilot failed: MemoryError: no more", out_of_memory=True)
    study = fit_study(lambda _: 3)
    told = measure(study, {"rate": 0.01}, 1, 27, data, 60.0)
    assert told.problem.startswith("the pilot failed: BadStudy: build returned a builtins.int")
    assert not told.out_of_memory


def test_without_a_gpu(data: Data) -> None:
    assert measure(fit_study(), {"rate": 0.01}, 1, 27, data, 60.0) == Peak(problem="TensorFlow sees no GPU there")
