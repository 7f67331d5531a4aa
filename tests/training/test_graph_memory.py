"""A worker trains trial after trial: what belongs to past ones must go."""

import gc
from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from orchestrator.training import graph_memory, keras_session
from orchestrator.training.graph_memory import PREFIX, release_past_graphs
from tests.training.support import assignment, fit_study, numbers, train


def registered() -> int:
    return sum(name.startswith(PREFIX) for name in ops.gradient_registry._registry)


def graphs() -> int:
    gc.collect()
    return sum(isinstance(item, tf.__internal__.FuncGraph) for item in gc.get_objects())


def build(configuration: dict[str, Any]) -> Any:
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_graphs_of_past_trials_are_let_go() -> None:
    data = numbers()
    counted = []
    for seed in range(3):
        train(fit_study(build), assignment(1, max_epochs=1, seed=seed), data)
        assert registered() > 0
        counted.append((graphs(), registered()))
    assert counted[1] == counted[2]


def test_a_graph_in_use_keeps_its_gradients() -> None:
    @tf.function
    def loss(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.silu(x))

    def slope(x: tf.Tensor) -> float:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return float(tape.gradient(value, x))

    loss.get_concrete_function(tf.TensorSpec([], tf.float32))
    release_past_graphs()
    gc.collect()
    assert slope(tf.constant(0.0)) == pytest.approx(0.5)


def new_gradients(before: set[str]) -> list[str]:
    return [name for name in ops.gradient_registry._registry if name.startswith(PREFIX) and name not in before]


def test_a_gradient_whose_graph_has_ended_says_so() -> None:
    before = set(ops.gradient_registry._registry)
    loss = tf.function(lambda x: tf.reduce_sum(tf.nn.silu(x)))
    loss.get_concrete_function(tf.TensorSpec([], tf.float32))
    release_past_graphs()
    (name,) = new_gradients(before)
    gradient = ops.gradient_registry.lookup(name)
    del loss
    gc.collect()
    assert new_gradients(before) == []
    with pytest.raises(LookupError, match="ended with the graph that it was made in"):
        gradient(None, tf.constant(1.0))


@pytest.mark.parametrize(
    "registry",
    [
        SimpleNamespace(),
        SimpleNamespace(_registry={"CustomGradient-1": {}}),
        SimpleNamespace(_registry={"CustomGradient-1": {"type": tf.custom_gradient}}),
    ],
)
def test_other_insides_are_left_alone(
    registry: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log, and trials train as before."""
    monkeypatch.setattr(graph_memory, "_is_on", True)
    monkeypatch.setattr(ops, "gradient_registry", registry)
    for _ in range(2):
        release_past_graphs()
    (record,) = caplog.records
    assert f"TensorFlow {tf.__version__} looks different inside" in record.getMessage()


def test_tensorflow_itself_lets_nothing_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should this fail, `graph_memory` is needed no more."""
    monkeypatch.setattr(keras_session, "release_past_graphs", lambda: None)
    data, counted = numbers(), []
    for seed in range(2):
        train(fit_study(build), assignment(1, max_epochs=1, seed=seed), data, loop="fit")
        counted.append((graphs(), registered()))
    assert all(later > earlier for earlier, later in zip(*counted, strict=True))
