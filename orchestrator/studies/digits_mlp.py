"""A fully connected network that reads scikit-learn's handwritten digits.

1,797 images of 8 x 8 pixels, in ten classes. A fifth is kept for validation, which ranks the trials, and a fifth for a
test that no decision sees.
"""

from typing import Any

from orchestrator.study import Study
from search_spaces import load


def data() -> Any:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = images.astype("float32") / 16
    x_train, x_rest, y_train, y_rest = train_test_split(images, labels, test_size=0.4, stratify=labels, random_state=0)
    x_val, x_test, y_val, y_test = train_test_split(x_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
    return (x_train, y_train), (x_val, y_val), (x_test, y_test)


def build(configuration: dict[str, Any]) -> Any:
    import keras

    model = keras.Sequential([keras.Input((64,))])
    for _ in range(configuration["layers"]):
        normalized = configuration["batch_normalization"]
        model.add(keras.layers.Dense(configuration["hidden_units"], use_bias=not normalized))
        if normalized:
            model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
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
    space=load("mlp"),
    build=build,
    data=data,
    fit=fit,
    objective="val_accuracy",
    direction="max",
    epochs=27,
    trials=48,
    stopper="asha:grace=1",  # Its first epoch tells: see docs/search.md.
)
