"""Graphs that are used again: warm and cold are equal to the last bit, in any order of trials.

The trials are made to catch a wrong reuse: each differs from another in one thing, which TensorFlow would build into
the graph, or which Keras's configuration does not tell.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, losses, optimizers
from keras.initializers import HeNormal
from keras.regularizers import L2

from orchestrator.training import graph_cache
from orchestrator.training.link import Completed
from orchestrator.training.packing import unpack
from orchestrator.training.prepared import prepare
from orchestrator.training.structure import structure_of
from tests.training.networks import BATCH, SOFTMAX, data, stack
from tests.training.support import FakeLink, Trained, assignment, fit_study, resume, train

EPOCHS = 2


def adam(**given: Any) -> Any:
    return stack(lambda: layers.Dense(6, activation="relu"), optimizer=lambda: optimizers.Adam(**given))


def inner(*make: Callable[[], Any], **given: Any) -> Any:
    return stack(*make, **given)


class Scaled(layers.Layer):
    """Without `get_config`: nothing tells its factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


class Steep(layers.Dense):
    """Called as its base, and configured so."""

    factor = 1.0

    def call(self, x: Any) -> Any:
        return super().call(x) * self.factor


class Steeper(Steep):
    factor = 2.0


class Often(keras.metrics.Metric):
    """A state, and a constant of its own."""

    def __init__(self, factor: float) -> None:
        super().__init__(name="often")
        self.factor = factor
        self.seen = self.add_weight(name="seen", initializer="zeros")

    def update_state(self, y: Any, predicted: Any, sample_weight: Any = None) -> None:
        self.seen.assign_add(self.factor)

    def result(self) -> Any:
        return self.seen + 0.0


def steepness(factor: float) -> Callable[[Any], Any]:
    return lambda x: x * factor


def replaced(factor: float) -> Any:
    """A method of one instance is another's."""
    dense = layers.Dense(6)
    plain = dense.call
    dense.call = lambda inputs, training=None: plain(inputs) * factor
    return dense


def policy(name: str) -> Any:
    def build(configuration: dict[str, Any]) -> Any:
        keras.config.set_dtype_policy(name)
        return stack(lambda: layers.Dense(6))(configuration)

    return build


def frozen(trainable: bool) -> Any:
    return inner(lambda: layers.Dense(6, trainable=trainable))


def undecayed(names: list[str]) -> Any:
    def optimizer() -> Any:
        made = optimizers.AdamW(0.02, weight_decay=0.5)
        made.exclude_from_weight_decay(var_names=names)
        return made

    return stack(lambda: layers.Dense(6), optimizer=optimizer)


def decay(factor: float) -> Any:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 3, factor)
    return stack(optimizer=lambda: optimizers.SGD(schedule))


def own_loss(factor: float) -> Any:
    return stack(loss=lambda: lambda y, p: factor * losses.sparse_categorical_crossentropy(y, p))


SHARED: dict[str, list[Any]] = {
    "adam": [adam(learning_rate=0.02), adam(learning_rate=0.01, beta_1=0.8), adam(learning_rate=0.02, epsilon=1e-3)],
    "adamw": [
        stack(optimizer=lambda d=d: optimizers.AdamW(0.02, weight_decay=d, beta_2=0.9 + d)) for d in (0.01, 0.05)
    ],
    "momentum": [stack(optimizer=lambda m=m: optimizers.SGD(0.05, momentum=m)) for m in (0.5, 0.9)],
    "rho": [stack(optimizer=lambda r=r: optimizers.RMSprop(0.01, rho=r, centered=True)) for r in (0.8, 0.95)],
    "lion": [stack(optimizer=lambda b=b: optimizers.Lion(0.001, beta_1=b)) for b in (0.8, 0.9)],
    "seeds": [
        inner(lambda s=s: layers.Dense(6, kernel_initializer=HeNormal(s)), lambda s=s: layers.Dropout(0.3, seed=s))
        for s in (1, 2)
    ],
}  # fmt: skip
"""By structure: what can be set without tracing."""

TOLD_APART: dict[str, list[Any]] = {
    "units": [inner(lambda n=n: layers.Dense(n)) for n in (5, 6)],
    "activation": [inner(lambda a=a: layers.Dense(6, activation=a)) for a in ("relu", "tanh")],
    "rate of dropout": [inner(lambda r=r: layers.Dropout(r)) for r in (0.2, 0.4)],
    "momentum of a layer": [inner(lambda m=m: layers.BatchNormalization(momentum=m)) for m in (0.5, 0.9)],
    "regularizer": [inner(lambda f=f: layers.Dense(6, kernel_regularizer=L2(f))) for f in (0.1, 1.0)],
    "frozen": [frozen(True), frozen(False)],
    "no momentum": [stack(optimizer=lambda m=m: optimizers.SGD(0.05, momentum=m)) for m in (0.0, 0.5)],
    "nesterov": [stack(optimizer=lambda n=n: optimizers.SGD(0.05, 0.9, nesterov=n)) for n in (False, True)],
    "clipping": [stack(optimizer=lambda c=c: optimizers.SGD(0.5, clipnorm=c)) for c in (0.1, 1.0)],
    "amsgrad": [stack(optimizer=lambda a=a: optimizers.Adam(0.5, amsgrad=a)) for a in (False, True)],
    "schedule": [decay(0.5), decay(0.9)],
    "constant of a metric": [
        stack(metrics=[lambda k=k: keras.metrics.SparseTopKCategoricalAccuracy(k)]) for k in (1, 2)
    ],
    "dtype policy": [policy("float32"), policy("mixed_bfloat16")],
}  # fmt: skip
"""Keras's configuration tells the difference."""

UNTOLD: dict[str, list[Any]] = {
    "lambda layer": [inner(lambda f=f: layers.Lambda(lambda x: x * f)) for f in (1.0, 3.0)],
    "closure": [inner(lambda f=f: layers.Dense(6, activation=steepness(f))) for f in (1.0, 3.0)],
    "own layer": [inner(lambda f=f: Scaled(f)) for f in (1.0, 3.0)],
    "subclass": [inner(lambda: Steep(6)), inner(lambda: Steeper(6))],
    "method of an instance": [inner(lambda f=f: replaced(f)) for f in (1.0, 3.0)],
    "constant of a loss": [own_loss(1.0), own_loss(3.0)],
    "metric with a state": [stack(metrics=[lambda f=f: Often(f)]) for f in (1.0, 3.0)],
    "not decayed": [undecayed(["kernel"]), undecayed(["bias"])],
    "callable rate": [stack(optimizer=lambda r=r: optimizers.SGD(lambda _=None: tf.constant(r))) for r in (0.01, 0.1)],
}  # fmt: skip
"""It does not, or not for sure."""


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    graph_cache.forget_graphs()
    yield
    graph_cache.forget_graphs()


def structures(builds: list[Any], **fit: Any) -> list[str | None]:
    studies = [fit_study(build, batch_size=BATCH, fit=fit) for build in builds]
    return [structure_of(prepare(study, data(), assignment(1, seed=seed))) for seed, study in enumerate(studies)]


@pytest.mark.parametrize("kind", SHARED)
def test_what_can_be_set_makes_no_difference(kind: str) -> None:
    first, *others = structures(SHARED[kind])
    assert first is not None
    assert set(others) == {first}


@pytest.mark.parametrize("kind", TOLD_APART)
def test_what_is_built_in_makes_one(kind: str) -> None:
    one, other = structures(TOLD_APART[kind])
    assert one is not None and other is not None
    assert one != other


@pytest.mark.parametrize("kind", UNTOLD)
def test_what_is_not_keras_own_has_no_structure(kind: str) -> None:
    assert structures(UNTOLD[kind]) == [None, None]


def test_class_weights_are_built_in() -> None:
    plain, light, heavy = (
        structures([stack()], **fit)[0] for fit in ({}, *({"class_weight": {0: w}} for w in (1.0, 2.0)))
    )
    assert len({plain, light, heavy, None}) == 4


def trained(build: Any, seed: int) -> Trained:
    study = fit_study(build, batch_size=BATCH)
    done = train(study, assignment(EPOCHS, EPOCHS, seed=seed), data())
    assert done.ending == Completed(f"reached epoch {EPOCHS}"), done.ending
    return done


def weights_of(done: Trained) -> list[np.ndarray[Any, Any]]:
    found: list[np.ndarray[Any, Any]] = unpack(done.link.last_content)["whole"]["model"]["weights"]
    return found


def test_warm_and_cold_are_equal_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "MOST_GRAPHS", 100)
    kinds = {**SHARED, **TOLD_APART, **UNTOLD}
    builds = [(f"{kind} {place}", build) for kind, pair in kinds.items() for place, build in enumerate(pair)]
    cold: dict[str, Trained] = {}
    for seed, (name, build) in enumerate(builds):
        graph_cache.forget_graphs()
        cold[name] = trained(build, seed)
    graph_cache.forget_graphs()
    order = list(enumerate(builds))
    random.Random(5).shuffle(order)
    reused = 0
    for seed, (name, build) in order:
        warm = trained(build, seed)
        reused += "trace" not in warm.link.activities
        assert warm.link.curve == cold[name].link.curve, name
        for one, other in zip(weights_of(warm), weights_of(cold[name]), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    known = [key for key in structures([build for _, build in builds]) if key is not None]
    assert reused == len(known) - len(set(known)) >= len(SHARED)


def test_a_warm_graph_learns_what_fit_learns() -> None:
    for build, seed in zip([pair[-1] for pair in SHARED.values()], range(100, 200), strict=False):
        trained(build, seed)
        warm = trained(build, seed + 100)
        assert "trace" not in warm.link.activities
        fits = train(
            fit_study(build, batch_size=BATCH), assignment(EPOCHS, EPOCHS, seed=seed + 100), data(), loop="fit"
        )
        for epoch, metrics in fits.link.curve.items():
            assert warm.link.curve[epoch] == pytest.approx(metrics, rel=1e-5, abs=1e-5)


def test_a_trial_goes_on_with_the_graph_of_another() -> None:
    study = fit_study(adam(learning_rate=0.02), batch_size=BATCH)
    unbroken = train(study, assignment(3, 3), data())
    first = train(study, assignment(1, 3), data(), FakeLink(["pause"]))
    trained(adam(learning_rate=0.5, beta_1=0.5), 3)
    second = resume(study, first, 3, data(), max_epochs=3)
    assert "trace" not in second.link.activities
    assert {**first.link.curve, **second.link.curve} == unbroken.link.curve


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "MOST_GRAPHS", 1)
    one, other = TOLD_APART["units"]
    assert ["trace" in trained(build, seed).link.activities for seed, build in enumerate((one, one, other, one))] == [
        True,
        False,
        True,
        True,
    ]


def test_a_model_that_went_on_to_another_loss_has_no_structure() -> None:
    """Compiled again, it is what it was compiled to last."""

    def build(configuration: dict[str, Any]) -> Any:
        model = stack()(configuration)
        model.compile("sgd", lambda y, p: losses.sparse_categorical_crossentropy(y, p))
        return model

    assert structures([build]) == [None]
    assert structures([stack(loss=SOFTMAX)]) != [None]
