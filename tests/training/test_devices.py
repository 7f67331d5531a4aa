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
