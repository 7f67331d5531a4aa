"""A small convolutional network that tells clothes apart on Fashion-MNIST's pictures.

Grey pictures of 28 x 28 pixels, in ten classes. Of the 60,000 for training, 10,000 are trained on, so that a laptop is
done in minutes, and 2,500 others are for validation, which ranks the trials; the 10,000 for the test no decision sees.
"""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.errors import UserError
from orchestrator.study import Study
from search_spaces import load

TRAINED, VALIDATED = 10_000, 2_500
PARTS = ("train", "t10k")
DEBIANS = Path("/usr/share/datasets/fashion-mnist")


def data() -> Any:
    (images, labels), test = fashion_mnist()
    order = np.random.default_rng(0).permutation(len(images))
    train, validation = order[:TRAINED], order[TRAINED : TRAINED + VALIDATED]
    return (images[train], labels[train]), (images[validation], labels[validation]), test


def fashion_mnist() -> Any:
    """From where Keras keeps it or Debian's package dataset-fashion-mnist has put it, else from the internet.

    Returns:
        Images, `uint8` of shape (rows, 28, 28), and labels, `uint8`, for training and for the test.

    Raises:
        UserError: It is neither here nor to be had.
    """
    kept = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets" / "fashion-mnist"
    for folder in (kept, DEBIANS):
        if all(path.exists() for part in PARTS for path in _files(folder, part)):
            return [_read(folder, part) for part in PARTS]
    import keras

    try:
        return keras.datasets.fashion_mnist.load_data()
    except Exception as error:
        raise UserError(
            f"Fashion-MNIST is not here and cannot be downloaded ({' '.join(str(error).split())}): install Debian's or "
            f"Ubuntu's package dataset-fashion-mnist, or put its four files into {kept}"
        ) from error


def _files(folder: Path, part: str) -> tuple[Path, Path]:
    return folder / f"{part}-images-idx3-ubyte.gz", folder / f"{part}-labels-idx1-ubyte.gz"


def _read(folder: Path, part: str) -> tuple[Any, Any]:
    """The values follow a head of 16 bytes for images, and of 8 for labels."""
    images, labels = (gzip.decompress(path.read_bytes()) for path in _files(folder, part))
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8, offset=8)


def build(configuration: dict[str, Any]) -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input((28, 28)), layers.Reshape((28, 28, 1)), layers.Rescaling(1 / 255)])
    normalized = configuration["batch_normalization"]
    for block in range(configuration["blocks"]):
        filters = configuration["filters"] * 2**block
        model.add(layers.Conv2D(filters, configuration["kernel_size"], padding="same", use_bias=not normalized))
        if normalized:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(configuration["dense_units"], activation="relu"))
    model.add(layers.Dropout(configuration["dropout"]))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(_optimizer(configuration), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _optimizer(configuration: dict[str, Any]) -> Any:
    import keras

    if configuration["optimizer"] == "sgd":
        return keras.optimizers.SGD(configuration["learning_rate"], momentum=configuration["momentum"])
    return keras.optimizers.Adam(
        configuration["learning_rate"],
        beta_1=configuration["beta1"],
        beta_2=configuration["beta2"],
        epsilon=configuration["epsilon"],
    )


def fit(configuration: dict[str, Any]) -> dict[str, Any]:
    import keras

    def learning_rate(epochs_done: int) -> float:
        return float(configuration["learning_rate"] / (1 + configuration["learning_rate_decay"] * epochs_done))

    return {"callbacks": [keras.callbacks.LearningRateScheduler(learning_rate)]}


study = Study(
    space=load("cnn"),
    build=build,
    data=data,
    fit=fit,
    objective="val_accuracy",
    direction="max",
    epochs=9,
    trials=24,
)
