"""A worker trains trial after trial: what belongs to past ones must go."""

import gc
from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

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
