"""`--gpus-per-trial auto`: how much of a GPU a trial needs, measured before the run's workers start.

An average configuration would say little, for the largest has to fit. So of a handful each is trained for a few batches
on a GPU of its own, one after the other, and the highest peak counts.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from orchestrator.assignment import Configuration
from orchestrator.training.cards import choose_slice, visible_cards
from orchestrator.training.pilot import Peak, measure
from orchestrator.workers.resources import WorkerSize
from orchestrator.workers.shipping import Shipped, hide_our_modules, unship

SECONDS = 300.0
"""For all pilots together, from when there is a GPU."""
SECONDS_FOR_A_GPU = 60.0
"""To wait until one is free and TensorFlow is imported."""


def choose_gpus(
    study: Shipped,
    data: "ray.ObjectRef | None",
    configurations: Sequence[Configuration],
    seed: int,
    *,
    epochs: int,
    size: WorkerSize,
    seconds: float = SECONDS,
    seconds_for_a_gpu: float = SECONDS_FOR_A_GPU,
) -> tuple[float, str]:
    """GPUs for each trial, a part of one or one, and why in a line. Takes up to some minutes, and never raises.

    Args:
        study: As workers get it.
        data: As of `begin_loading`; the time that it takes to load counts.
        configurations: A handful, at least one.
        seed: Of their training.
        epochs: Of the study.
        size: Of a worker, but for its GPUs.
        seconds: For all pilots together; what is not measured by then is left out.
        seconds_for_a_gpu: For the first.
    """
    if ray.cluster_resources().get("GPU", 0.0) < 1:
        return 1.0, "a whole GPU: no node has any, so nothing could be measured"
    options = {"name": "pilot", "max_restarts": 0, **replace(size, gpus=1.0).options()}
    pilot = ray.remote(Pilot).options(**options).remote(study, [data], size.cpus)
    try:
        card, problem = ray.get(pilot.card.remote(), timeout=seconds_for_a_gpu)
        if problem:
            return 1.0, f"a whole GPU: {problem}"
        return _chosen(_measured(pilot, configurations, seed, epochs, seconds), card, len(configurations))
    except GetTimeoutError:
        return 1.0, f"a whole GPU: none was free within {seconds_for_a_gpu:g} s to measure a trial on"
    except RayError as error:
        return 1.0, f"a whole GPU: the pilot ended: {_first_line(error)}"
    finally:
        ray.kill(pilot)


def _measured(
    pilot: Any, configurations: Sequence[Configuration], seed: int, epochs: int, seconds: float
) -> list[Peak]:
    deadline = time.monotonic() + seconds
    peaks: list[Peak] = []
    for configuration in configurations:
        left = max(deadline - time.monotonic(), 0.0)
        call = pilot.measure.options(name="pilot").remote(configuration, seed, epochs, left)
        try:
            peaks.append(ray.get(call, timeout=left))
        except GetTimeoutError:
            peaks.append(Peak(problem=f"a trial took longer than {seconds:g} s to begin"))
            break
        except RayError as error:
            peaks.append(Peak(problem=f"the pilot ended: {_first_line(error)}"))
            break
    return peaks


def _chosen(peaks: Sequence[Peak], card: int, count: int) -> tuple[float, str]:
    """A trial that fails on a whole card says nothing of slices, unless it wants more than that."""
    known = [peak.bytes for peak in peaks if not peak.problem]
    too_large = [peak.problem for peak in peaks if peak.out_of_memory]
    if too_large or not known:
        return 1.0, f"a whole GPU: {[*too_large, *(peak.problem for peak in peaks)][0]}"
    share, reason = choose_slice(max(known), card)
    return share, f"{f'{share:g} of a GPU' if share < 1 else 'a whole GPU'}: of {len(known)} of {count} pilots {reason}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class Pilot:
    """A worker without a run."""

    def __init__(self, study: Shipped, data: "list[ray.ObjectRef | None]", cpus: float) -> None:
        hide_our_modules()
        from orchestrator.training import devices

        devices.prepare_for_import(cpus, 1)
        self._study = unship(study)
        self._data = data
        if self._study.build is not None:
            devices.prepare(cpus, 1)

    def card(self) -> tuple[int, str]:
        """Bytes that it has; or why nothing can be measured."""
        from orchestrator.training import devices

        found = devices.found()
        if found is not None and not found.gpus:
            return 0, "Ray has a GPU, but TensorFlow sees none there: install tensorflow[and-cuda] on that node"
        cards = visible_cards(os.environ.get("CUDA_VISIBLE_DEVICES"))
        if not cards:
            return 0, "NVIDIA's driver (NVML) does not tell how much memory the card has"
        return cards[0], ""

    def measure(self, configuration: Configuration, seed: int, epochs: int, seconds: float) -> Peak:
        if self._study.data_per_worker:
            from orchestrator.training.own_data import OwnData

            data: Any = OwnData(self._study)
        else:
            data = None if self._data[0] is None else ray.get(self._data[0])
        return measure(self._study, configuration, seed, epochs, data, seconds)
