"""Fits TensorFlow to the slice of a node that a worker holds, before TensorFlow does anything.

A study may do without TensorFlow, or import it late, even within a trial. So nothing is imported for its sake: what is
to be set is set the moment that TensorFlow has been imported, before whoever imported it goes on.
"""

import gc
import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from math import ceil
from types import ModuleType
from typing import Any

import numpy as np

from orchestrator.training import session
from orchestrator.training.cards import CONTEXT_MIB, MIB, slice_limit, visible_cards

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "ENABLE_RUNTIME_UPTIME_TELEMETRY": "0"}
NO_GPU = "-1"


@dataclass(frozen=True, slots=True)
class Devices:
    """What TensorFlow has, read back from it."""

    threads: int
    gpus: tuple[str, ...]
    """Its names for them."""
    limits: tuple[int, ...]
    """MiB that it may take of each; none where there is no limit."""
    deterministic: bool
    problem: str = ""
    """Why a slice of a GPU has no limit."""


_found: Devices | None = None


def found() -> Devices | None:
    """Of this process; None until TensorFlow is imported, which may be in the middle of a trial."""
    return _found


def peaks() -> dict[str, int]:
    """The most bytes that TensorFlow has taken of each GPU that it sees, since `reset_peaks`; by its name."""
    names = [] if _found is None else [name.removeprefix("/device:") for name in _found.gpus]
    return {name: int(_memory_of_devices().get_memory_info(name)["peak"]) for name in names}


def reset_peaks() -> None:
    for name in peaks():
        _memory_of_devices().reset_memory_stats(name)


def _memory_of_devices() -> Any:
    return importlib.import_module("tensorflow").config.experimental


def prepare(cpus: float, gpus: float, deterministic: bool = False) -> Devices:
    """Import TensorFlow and say what it has. RuntimeError when it has already started with other settings.

    `deterministic`: each op gives the same bits each time, where need be slower, or refuses; for good.
    `gpus` above 0 on a machine where TensorFlow sees none is no error here (logical GPUs): look at the answer. Below 1,
    TensorFlow may take that share of the card's memory and no more.
    """
    prepare_for_import(cpus, gpus, deterministic)
    devices = _fit(importlib.import_module("tensorflow"), cpus, gpus, deterministic)
    keras = importlib.import_module("keras")
    if (backend := keras.backend.backend()) != "tensorflow":
        raise RuntimeError(f"Keras runs on {backend} instead of tensorflow: it was imported before")
    return devices


def prepare_for_import(cpus: float, gpus: float, deterministic: bool = False) -> None:
    """Once per worker, first of all: whenever TensorFlow is imported from now on, it is as after `prepare`."""
    _set_environment(gpus, deterministic)

    def fit(tf: ModuleType) -> None:
        _fit(tf, cpus, gpus, deterministic)
        session.tensorflow_is_imported(tf)

    _OnImport("tensorflow", fit)
    _OnImport("keras", lambda _: session.keras_is_imported())


def _fit(tf: ModuleType, cpus: float, gpus: float, deterministic: bool) -> Devices:
    global _found
    threads = max(1, int(cpus))
    # No more than it holds, where Ray was told to show it those of others too.
    visible = tf.config.list_physical_devices("GPU")[: ceil(gpus)]
    limits, problem = _limits(len(visible), gpus)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        # One model's ops depend on each other nearly in a row, so a second pool of threads would only make
        # TensorFlow use more cores than the worker holds; and with one, stateful ops keep one order.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices(visible, "GPU")
        for gpu, limit in zip(visible, limits, strict=False):
            tf.config.set_logical_device_configuration(gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=limit)])
        for gpu in visible if problem else ():
            tf.config.experimental.set_memory_growth(gpu, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
    except (RuntimeError, ValueError) as error:
        raise RuntimeError(f"TensorFlow had started before its worker's devices were set: {error}") from error
    got = _read_back(tf, visible, problem)
    if got.threads != threads:
        raise RuntimeError(f"TensorFlow runs with {got.threads} threads instead of {threads}: it had started before")
    if deterministic and not got.deterministic:
        raise RuntimeError("TensorFlow does not run deterministically although it was told to")
    if gpus <= 0 and got.gpus:
        raise RuntimeError(f"a worker without GPUs sees {', '.join(got.gpus)}: TensorFlow had started before")
    if got.limits != limits:
        raise RuntimeError(
            f"the memory limit of {gpus:g} of a GPU does not hold: TensorFlow has {got.limits} MiB instead of {limits}"
        )
    _found = got
    return got


def _limits(gpus: int, share: float) -> tuple[tuple[int, ...], str]:
    """MiB that TensorFlow may take of each GPU that it sees, where it holds a share; where that is not known, why.

    RuntimeError where nothing would be left.
    """
    if not 0 < share < 1 or not gpus:
        return (), ""
    cards = visible_cards(os.environ.get("CUDA_VISIBLE_DEVICES")) or []
    if len(cards) < gpus:
        return (), (
            f"{share:g} of a GPU has no memory limit here, for NVIDIA's driver (NVML) does not tell how much there is: "
            "each worker takes what it needs"
        )
    limits = tuple(slice_limit(share, card) for card in cards[:gpus])
    if min(limits) <= 0:
        raise RuntimeError(
            f"nothing is left for TensorFlow of {share:g} of a GPU with {min(cards[:gpus]) // MIB:,} MiB, for CUDA "
            f"takes {CONTEXT_MIB} MiB for each worker: give a larger --gpus-per-trial"
        )
    return limits, ""


def _set_environment(gpus: float, deterministic: bool) -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if deterministic:
        # Its kernels are chosen by the kind of CPU, and a trial may go on at another node.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if gpus > 0:
        # CUDA would count the fastest card as the first; Ray and NVIDIA's driver count as the bus does.
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    else:
        # Ray lets a worker without GPUs see all of the node's, and Keras compiles for a GPU that is only hidden.
        os.environ["CUDA_VISIBLE_DEVICES"] = NO_GPU


class _OnImport(MetaPathFinder):
    """Calls `then` with a module as soon as that is imported; a trial's random numbers do not depend on that."""

    def __init__(self, name: str, then: Callable[[ModuleType], object]) -> None:
        self._name = name
        self._then = then
        waits = any(isinstance(finder, _OnImport) and finder._name == name for finder in sys.meta_path)
        if name not in sys.modules and not waits:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_call(module: ModuleType) -> None:
                with _undisturbed(), _lightly():
                    execute(module)  # Where it fails, as the first time in a circle, it will be tried again.
                    if self in sys.meta_path:
                        sys.meta_path.remove(self)
                        self._then(module)

            spec.loader.exec_module = execute_and_call  # type: ignore[method-assign]
        return spec


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Python's and NumPy's generators are afterwards as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    yield
    random.setstate(python)
    np.random.set_state(numpy)


@contextmanager
def _lightly() -> Iterator[None]:
    """Without scikit-learn, which Keras imports for wrappers that no trial uses, and without looking for garbage.

    Each takes half a second of CPU time. What a library makes of itself stays, so it is left out of later looks too.
    """
    hide = "sklearn" not in sys.modules
    if hide:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        gc.freeze()
        if hide:
            del sys.modules["sklearn"]


def _read_back(tf: ModuleType, visible: Sequence[Any], problem: str) -> Devices:
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return Devices(
        threads=tf.config.threading.get_intra_op_parallelism_threads(),
        gpus=tuple(device.name for device in tf.config.list_logical_devices("GPU")),
        limits=tuple(limit for gpu in visible for limit in _limits_of(tf, gpu)),
        deterministic=is_op_determinism_enabled(),
        problem=problem,
    )


def _limits_of(tf: ModuleType, gpu: Any) -> list[int]:
    """MiB of each part that TensorFlow cuts it into; none where it is whole and may be taken whole."""
    parts = tf.config.get_logical_device_configuration(gpu) or []
    return [int(part.memory_limit or 0) for part in parts]
