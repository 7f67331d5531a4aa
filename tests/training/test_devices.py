import subprocess
import sys
from textwrap import dedent

import pytest

from orchestrator.training.devices import prepare


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fresh_worker() -> None:
    """Two threads, no GPU, and no import of scikit-learn that nobody asked for."""
    out = run("""
        import os, sys
        from orchestrator.training.devices import prepare
        import orchestrator.training.data, orchestrator.training.link
        assert "tensorflow" not in sys.modules
        devices = prepare(cpus=2.5, gpus=0)
        import keras, tensorflow as tf
        assert devices.threads == tf.config.threading.get_intra_op_parallelism_threads() == 2
        assert tf.config.threading.get_inter_op_parallelism_threads() == 1
        assert not devices.deterministic
        assert devices.gpus == () and os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
        assert keras.backend.backend() == "tensorflow"
        assert "sklearn" not in sys.modules
        import sklearn
        print("fine")
    """)
    assert out.endswith("fine\n")


def test_deterministic() -> None:
    """What has no deterministic kernel, or no seed, is refused instead of differing."""
    out = run("""
        from orchestrator.training.devices import prepare
        assert prepare(cpus=1, gpus=0, deterministic=True).deterministic
        import tensorflow as tf
        try:
            tf.random.normal([2])
        except RuntimeError as error:
            print(error)
    """)
    assert "Random ops require a seed to be set when determinism is enabled" in out


def test_the_same_again_is_no_error() -> None:
    assert prepare(cpus=0.25, gpus=0).threads == 1


def test_tensorflow_had_started() -> None:
    with pytest.raises(RuntimeError, match="had started before"):
        prepare(cpus=2, gpus=0)


CARD = """
    import os
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    import pynvml
    import tensorflow as tf
    from types import SimpleNamespace
    from tensorflow.python.eager import context
    from orchestrator.training import devices

    # A card, as TensorFlow with CUDA and the driver would tell of it: all of TensorFlow's own rules hold for it.
    context.pywrap_tfe.TF_ListPhysicalDevices = lambda: [b"/physical_device:CPU:0", b"/physical_device:GPU:0"]
    told = SimpleNamespace(total=16 * 2**30)
    pynvml.nvmlInit = pynvml.nvmlShutdown = lambda: None
    pynvml.nvmlDeviceGetCount = lambda: 1
    pynvml.nvmlDeviceGetHandleByIndex = lambda place: "card"
    pynvml.nvmlDeviceGetMemoryInfo = lambda card: told

    calls = []

    def observe(owner, name):
        function = getattr(owner, name)

        def observed(*arguments):
            calls.append(name)
            return function(*arguments)

        setattr(owner, name, observed)

    for name in ("set_visible_devices", "set_logical_device_configuration", "get_logical_device_configuration",
                 "list_logical_devices"):
        observe(tf.config, name)
    observe(tf.config.experimental, "set_memory_growth")
    observe(context.Context, "ensure_initialized")

    def prepared(gpus):
        context._reset_context()
        calls.clear()
        return devices._fit(tf, 1, gpus, False)

    def given_to_the_runtime():
        options = context.context().config.gpu_options
        return [list(gpu.memory_limit_mb) for gpu in options.experimental.virtual_devices], options.allow_growth
"""


def test_a_slice_of_a_gpu_has_a_memory_limit() -> None:
    """Set before TensorFlow's runtime starts, read back, and in what the runtime is started with."""
    out = run(
        dedent(CARD)
        + dedent("""
        for share, limit in [(0.1, 1126), (0.25, 3584), (0.5, 7680), (0.9999, 15870)]:
            assert prepared(share).limits == (limit,), share
            assert given_to_the_runtime() == ([[limit]], False)
            assert calls.index("set_visible_devices") < calls.index("set_logical_device_configuration")
            assert calls.index("set_logical_device_configuration") < calls.index("ensure_initialized")
            assert calls.index("set_logical_device_configuration") < calls.index("get_logical_device_configuration")
            assert "set_memory_growth" not in calls
            assert devices._fit(tf, 1, share, False) == devices.found()  # The same again is no error.
        for whole in (1, 2, 8):
            assert prepared(whole).limits == () and prepared(whole).problem == ""
            assert "set_logical_device_configuration" not in calls and "set_memory_growth" not in calls
        print("fine")
    """)
    )
    assert out.endswith("fine\n")


def test_a_limit_that_cannot_be() -> None:
    """It does not hold, nothing is left of the slice, or the card's memory is not known."""
    out = run(
        dedent(CARD)
        + dedent("""
        def refused(gpus):
            try:
                prepared(gpus)
            except RuntimeError as error:
                return str(error)

        set_as_asked = tf.config.set_logical_device_configuration
        tf.config.set_logical_device_configuration = lambda gpu, parts: set_as_asked(
            gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=9999)]
        )
        print(refused(0.5))
        tf.config.set_logical_device_configuration = lambda gpu, parts: None
        print(refused(0.5))
        tf.config.set_logical_device_configuration = set_as_asked
        told.total = 4 * 2**30
        print(refused(0.1))

        def unknown():
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

        pynvml.nvmlInit = unknown
        print(prepared(0.5).problem)
        assert "set_memory_growth" in calls and given_to_the_runtime() == ([], True)
    """)
    ).splitlines()
    assert out[-4:] == [
        "the memory limit of 0.5 of a GPU does not hold: TensorFlow has (9999,) MiB instead of (7680,)",
        "the memory limit of 0.5 of a GPU does not hold: TensorFlow has () MiB instead of (7680,)",
        (
            "nothing is left for TensorFlow of 0.1 of a GPU with 4,096 MiB, for CUDA takes 512 MiB for each worker: "
            "give a larger --gpus-per-trial"
        ),
        (
            "0.5 of a GPU has no memory limit here, for NVIDIA's driver (NVML) does not tell how much there is: each "
            "worker takes what it needs"
        ),
    ]
