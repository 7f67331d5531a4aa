"""Trials that are interrupted in one process and go on in another; `test_deterministic` runs them.

`begin` trains each study unbroken, then until it is interrupted, and leaves the last checkpoint in the folder; `go_on`
continues there. Both return the curves.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import tensorflow as tf
from keras import callbacks, layers, optimizers

from orchestrator.assignment import Checkpoint
from orchestrator.study import Study
from orchestrator.training import fit, graphs
from orchestrator.training.link import Loop
from tests.training.support import NEVER, FakeLink, assignment, fit_study, numbers, train

EPOCHS = 4
BATCHES = 4


class Drift(layers.Layer):
    """TensorFlow's own variable and generator, which Keras does not know of."""

    def build(self, shape: Any) -> None:
        self.steps = tf.Variable(0.0)
        self.generator = tf.random.Generator.from_seed(3)

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x * (1 + 0.1 * self.steps)
        self.steps.assign_add(1.0)
        return x * (1 + 0.1 * self.steps) + 0.1 * self.generator.normal(tf.shape(x))


class Rates(callbacks.Callback):
    """Generators and a variable of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.numpy, self.old, self.python = np.random.default_rng(1), np.random.RandomState(2), random.Random(3)
        self.factor = tf.Variable(0.02)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.factor.assign(self.factor * 1.1)
        drawn = self.numpy.random() + self.old.random_sample() + self.python.random()
        self.model.optimizer.learning_rate = float(self.factor.numpy()) * (0.5 + drawn)


def network(*inner: Callable[[], Any], optimizer: Callable[[], Any], policy: str = "float32") -> Any:
    def build(configuration: dict[str, Any]) -> Any:
        keras.config.set_dtype_policy(policy)
        last = layers.Dense(3, activation="softmax", dtype="float32")
        model = keras.Sequential([keras.Input((4,)), *[layer() for layer in inner], last])
        model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


def patient(_: Any) -> dict[str, Any]:
    early = callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return {"callbacks": [early, callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=0.3)]}


def studies() -> dict[str, tuple[Study, FakeLink, Loop]]:
    """How each is interrupted after two epochs, and trained."""
    augmented = network(
        lambda: layers.Reshape((2, 2, 1)),
        lambda: layers.RandomFlip(seed=5),
        lambda: layers.RandomRotation(0.2),
        layers.Flatten,
        lambda: layers.Dense(8, activation="relu"),
        layers.BatchNormalization,
        lambda: layers.Dropout(0.3),
        lambda: layers.GaussianNoise(0.1),
        optimizer=lambda: optimizers.Adam(0.02, use_ema=True, ema_overwrite_frequency=3),
    )
    scaled = network(
        lambda: layers.Dense(8, activation="relu"),
        lambda: layers.Dropout(0.2),
        optimizer=lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.02), dynamic_growth_steps=5),
        policy="mixed_float16",
    )
    drifting = network(Drift, optimizer=lambda: optimizers.AdamW(0.02, gradient_accumulation_steps=3))
    in_graph, by_fit = FakeLink(pause_at=2 * (BATCHES + 1) + 2), FakeLink(pause_at=2 * (BATCHES + 2) + 2)
    return {
        "paused": (fit_study(augmented, fit=patient), FakeLink(["pause"]), "auto"),
        "paused within an epoch": (fit_study(scaled, fit=patient), in_graph, "auto"),
        "paused within an epoch of fit": (fit_study(scaled, fit=patient), by_fit, "fit"),
        "killed": (fit_study(drifting, fit=lambda _: {"callbacks": [Rates()]}), FakeLink(["stop"]), "auto"),
    }


def begin(folder: Path) -> dict[str, Any]:
    fit.SECONDS_TO_FINISH_AN_EPOCH = graphs.PART_SECONDS = 0.0
    curves = {}
    for name, (study, link, loop) in studies().items():
        whole = train(study, assignment(EPOCHS), numbers(), loop=loop)
        to_epoch, every = {"paused": (2, NEVER), "killed": (3, 0.0)}.get(name, (EPOCHS, NEVER))
        first = train(study, assignment(to_epoch), numbers(), link, every, loop)
        checkpoint = next(checkpoint for checkpoint in first.link.checkpoints if checkpoint.epoch == 2)
        assert ("step" in checkpoint.name) == (name == "paused within an epoch"), checkpoint
        (folder / name).write_bytes(first.link.contents[checkpoint.name])
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(checkpoint))
        curves[name] = {"whole": whole.link.curve, "first": first.link.curve}
    return curves


def go_on(folder: Path) -> dict[str, Any]:
    curves = {}
    for name, (study, _, loop) in studies().items():
        start = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Checkpoint)
        link = FakeLink()
        link.contents[start.name] = (folder / name).read_bytes()
        done = train(study, assignment(EPOCHS, attempt=2, after_epoch=2, start=start), numbers(), link, loop=loop)
        curves[name] = {"second": done.link.curve}
    return curves
