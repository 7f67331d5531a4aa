"""A study that imports TensorFlow within a trial, or not at all."""

import subprocess
import sys
from textwrap import dedent

import pytest

BEGINNING = """
    import sys
    from contextlib import nullcontext

    from orchestrator import Float, Space, Study
    from orchestrator.assignment import Assignment
    from orchestrator.training import devices
    from orchestrator.training.trial import train_trial

    class Link:
        def __init__(self):
            self.curve, self.files = {}, []

        def report(self, epoch, metrics, seconds):
            self.curve[epoch] = metrics

        def interruption(self):
            return None

        def save(self, pack):
            self.files.append(pack())

        def during(self, activity):
            return nullcontext()

    devices.prepare_for_import(cpus=2, gpus=0, deterministic=True)

    def trained(train, seed=7):
        study = Study(space=Space(x=Float(0, 1)), train=train, objective="loss", direction="min")
        given = Assignment(
            trial=0, attempt=1, configuration={"x": 1.0}, seed=seed, after_epoch=0, to_epoch=2, max_epochs=2
        )
        link = Link()
        print(train_trial(study, given, None, link))
        return link
"""


def run(code: str) -> str:
    whole = dedent(BEGINNING) + dedent(code)
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_loop_without_tensorflow_does_not_import_it() -> None:
    """Not even where it saves, resumes and fails."""
    out = run("""
        import numpy as np

        def train(_, ctx):
            for epoch in ctx.epochs:
                ctx.report({"loss": float(np.random.random())})
                ctx.save(weights=np.ones(3), epoch=epoch)

        first = trained(train)
        assert len(first.files) == 1
        def fails(_, ctx):
            raise MemoryError("no more")

        trained(fails)
        assert "tensorflow" not in sys.modules and "keras" not in sys.modules
    """)
    assert "Completed" in out and "kind='out of memory'" in out


@pytest.mark.parametrize("first", ["import keras, tensorflow as tf", "import tensorflow as tf, keras"])
def test_a_trial_that_imports_it_is_as_one_that_found_it_imported(first: str) -> None:
    """In its threads, devices and determinism, and in every random number."""
    out = run(f"""
        import random
        import numpy as np

        def train(_, ctx):
            random.random(), np.random.random()
            {first}
            assert tf.config.threading.get_intra_op_parallelism_threads() == 2
            assert tf.config.threading.get_inter_op_parallelism_threads() == 1
            assert not tf.config.list_logical_devices("GPU")
            from tensorflow.python.framework.config import is_op_determinism_enabled
            assert is_op_determinism_enabled() and keras.backend.backend() == "tensorflow"
            assert keras.config.floatx() == "float32" and "sklearn" not in sys.modules
            keras.config.set_floatx("float16")
            layer = keras.layers.Dense(2)
            layer.build((None, 3))
            for epoch in ctx.epochs:
                ctx.report({{
                    "loss": float(np.random.random()),
                    "python": random.random(),
                    "layer": float(np.sum(layer.kernel.numpy())),
                    "keras": float(keras.random.uniform((1,))[0]),
                    "tensorflow": float(tf.random.uniform((1,))[0]),
                }})

        first, second = trained(train).curve, trained(train).curve
        assert first == second, (first, second)
        assert trained(train, seed=8).curve != first
    """)
    assert out.count("Completed") == 3, out
