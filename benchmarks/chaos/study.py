"""The study that is disturbed: small networks that read scikit-learn's digits, an epoch of about half a second.

Each batch sleeps a while, so that faults land in the middle of an epoch. Dropout makes the random state count. The
loss ranks: unlike the accuracy it has no ties, whose order would depend on who arrived first.
"""

import time
from typing import Any

from orchestrator import Choice, Float, Int, Space, Study

BATCH_SECONDS = 0.06


def data() -> Any:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.astype("float32") / 16
    return (images[:1024], labels[:1024]), (images[1024:], labels[1024:])


def build(configuration: dict[str, Any]) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(configuration["hidden_units"], activation="relu"),
            keras.layers.Dropout(configuration["dropout"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[configuration["optimizer"]]
    model.compile(optimizer(configuration["learning_rate"]), loss="sparse_categorical_crossentropy")
    return model


def fit(_configuration: dict[str, Any]) -> dict[str, Any]:
    import keras

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            time.sleep(BATCH_SECONDS)

    return {"callbacks": [Slow()]}


study = Study(
    space=Space(
        learning_rate=Float(1e-4, 1e-1, "log"),
        optimizer=Choice(["sgd", "adam"]),
        hidden_units=Int(16, 64, "log"),
        dropout=Float(0.0, 0.5),
    ),
    build=build,
    data=data,
    fit=fit,
    batch_size=128,
    objective="val_loss",
    direction="min",
    trials=16,
    epochs=12,
    sampler="random",
    stopper="halving:eta=2,grace=3",
    name="chaos",
)
