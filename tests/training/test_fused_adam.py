"""Adam's step as one operation learns what Keras's own learns, to rounding."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.training.fused_adam import fused

STEPS = 25
SHAPES = [(7, 5), (5,), (11, 3)]
FUSED = "ResourceApplyAdam"
Adam, AdamW = keras.optimizers.Adam, keras.optimizers.AdamW


class OwnAdam(keras.optimizers.Adam):
    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate / 2)


def stepped(optimizer: Any, fuse: bool, is_sparse: bool = False) -> tuple[list[Any], set[str]]:
    """The weights after some steps, and the types of the graph's operations."""
    draw = np.random.default_rng(5)
    variables = [keras.Variable(draw.normal(size=shape).astype("float32")) for shape in SHAPES]
    optimizer.build(variables)

    def step(*gradients: tf.Tensor) -> None:
        last = tf.IndexedSlices(gradients[-1][:2], tf.constant([1, 4]), SHAPES[-1]) if is_sparse else gradients[-1]
        optimizer.apply([*gradients[:-1], last], variables)

    def traced(*gradients: tf.Tensor) -> None:
        if fuse:
            with fused(optimizer):
                step(*gradients)
        else:
            step(*gradients)

    graph = tf.function(traced, autograph=False).get_concrete_function(
        *(tf.TensorSpec(shape, tf.float32) for shape in SHAPES)
    )
    for _ in range(STEPS):
        graph(*(tf.constant(draw.normal(size=shape), tf.float32) for shape in SHAPES))
    bodies = [graph.graph, *(body.graph for body in graph.graph._functions.values())]
    kinds = {operation.type for body in bodies for operation in body.get_operations()}
    return [variable.numpy() for variable in variables], kinds


MADE = {
    "as it is": lambda: Adam(),
    "long memory": lambda: Adam(0.1, beta_1=0.99, beta_2=0.9999),
    "short memory": lambda: Adam(0.1, beta_1=0.5, beta_2=0.9, epsilon=0.1),
    "no memory": lambda: Adam(0.01, beta_1=0.0),
    "decay and clipping": lambda: Adam(weight_decay=0.01, clipnorm=1.0),
    "average of the weights": lambda: Adam(use_ema=True, ema_momentum=0.9, global_clipnorm=1.0),
    "gradients of two steps": lambda: Adam(gradient_accumulation_steps=2),
    "schedule": lambda: Adam(keras.optimizers.schedules.CosineDecay(0.1, 20)),
    "AdamW": lambda: AdamW(0.03, weight_decay=0.1),
    "scaled loss": lambda: keras.optimizers.LossScaleOptimizer(Adam(0.01)),
}


@pytest.mark.parametrize("name", MADE)
def test_it_learns_what_keras_learns(name: str) -> None:
    ours, kinds = stepped(MADE[name](), fuse=True)
    theirs, plain = stepped(MADE[name](), fuse=False)
    assert FUSED in kinds and FUSED not in plain
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_gradients_of_some_rows_are_left_to_keras() -> None:
    ours, _ = stepped(Adam(0.01), fuse=True, is_sparse=True)
    theirs, _ = stepped(Adam(0.01), fuse=False, is_sparse=True)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def replaced() -> Any:
    adam = Adam()
    adam.update_step = lambda *given: None
    return adam


OTHERS = {
    "amsgrad": lambda: Adam(amsgrad=True),
    "Nadam": lambda: keras.optimizers.Nadam(),
    "SGD": lambda: keras.optimizers.SGD(momentum=0.9),
    "subclass": lambda: OwnAdam(),
    "replaced": replaced,
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_left_alone(name: str) -> None:
    optimizer = OTHERS[name]()
    before = optimizer.update_step
    _, kinds = stepped(optimizer, fuse=True)
    assert FUSED not in kinds
    assert optimizer.update_step == before


def test_nothing_is_left_behind() -> None:
    adam = Adam()
    with fused(adam):
        assert "update_step" in vars(adam)
    assert "update_step" not in vars(adam)
    with fused(None):
        pass
