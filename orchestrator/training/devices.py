"""Fits TensorFlow to the slice of a node that a worker holds, before TensorFlow does anything."""

import gc
import importlib
import os
import sys
from dataclasses import dataclass
from types import ModuleType

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "ENABLE_RUNTIME_UPTIME_TELEMETRY": "0"}
NO_GPU = "-1"


@dataclass(frozen=True, slots=True)
class Devices:
    """What TensorFlow has, read back from it."""

    threads: int
    gpus: tuple[str, ...]
    deterministic: bool


def prepare(cpus: float, gpus: float, deterministic: bool = False) -> Devices:
    """Once per worker, first of all. RuntimeError when TensorFlow has already started with other settings.

    `deterministic`: each op gives the same bits each time, where need be slower, or refuses; for good.
    `gpus` above 0 on a machine where TensorFlow sees none is no error here (logical GPUs): look at the answer.
    """
    _set_environment(gpus, deterministic)
    tf = _import_tensorflow()
    threads = max(1, int(cpus))
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        # One model's ops depend on each other nearly in a row, so a second pool of threads would only make
        # TensorFlow use more cores than the worker holds; and with one, stateful ops keep one order.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        visible = tf.config.list_physical_devices("GPU") if gpus > 0 else []
        tf.config.set_visible_devices(visible, "GPU")
        if 0 < gpus < 1:
            for gpu in visible:
                tf.config.experimental.set_memory_growth(gpu, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
    except (RuntimeError, ValueError) as error:
        raise RuntimeError(f"TensorFlow had started before its worker's devices were set: {error}") from error
    return _read_back(tf, threads, gpus, deterministic)


def _set_environment(gpus: float, deterministic: bool) -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if deterministic:
        # Its kernels are chosen by the kind of CPU, and a trial may go on at another node.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if gpus <= 0:
        # Ray lets a worker without GPUs see all of the node's, and Keras compiles for a GPU that is only hidden.
        os.environ["CUDA_VISIBLE_DEVICES"] = NO_GPU


def _import_tensorflow() -> ModuleType:
    """Without scikit-learn, which Keras imports for wrappers that no trial uses, and without looking for garbage.

    Each takes half a second of CPU time. What a library makes of itself stays, so it is left out of later looks too.
    """
    hide = "sklearn" not in sys.modules and "tensorflow" not in sys.modules
    if hide:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    gc.disable()
    try:
        return importlib.import_module("tensorflow")
    finally:
        gc.enable()
        gc.freeze()
        if hide:
            del sys.modules["sklearn"]


def _read_back(tf: ModuleType, threads: int, gpus: float, deterministic: bool) -> Devices:
    import keras
    from tensorflow.python.framework.config import is_op_determinism_enabled

    got = Devices(
        threads=tf.config.threading.get_intra_op_parallelism_threads(),
        gpus=tuple(device.name for device in tf.config.list_logical_devices("GPU")),
        deterministic=is_op_determinism_enabled(),
    )
    if got.threads != threads:
        raise RuntimeError(f"TensorFlow runs with {got.threads} threads instead of {threads}: it had started before")
    if deterministic and not got.deterministic:
        raise RuntimeError("TensorFlow does not run deterministically although it was told to")
    if gpus <= 0 and got.gpus:
        raise RuntimeError(f"a worker without GPUs sees {', '.join(got.gpus)}: TensorFlow had started before")
    if (backend := keras.backend.backend()) != "tensorflow":
        raise RuntimeError(f"Keras runs on {backend} instead of tensorflow: it was imported before")
    return got
