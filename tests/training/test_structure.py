"""Graphs that are used again: warm and cold are equal to the last bit, in any order of trials."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, losses

from orchestrator.training import graph_cache
from orchestrator.training.link import Completed
from orchestrator.training.packing import unpack
from orchestrator.training.prepared import prepare
from orchestrator.training.structure import structure_of
from tests.training.alike import SHARED, TOLD_APART, UNTOLD, adam
from tests.training.networks import BATCH, SOFTMAX, data, stack
from tests.training.support import FakeLink, Trained, assignment, fit_study, resume, train

EPOCHS = 2


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


@pytest.mark.parametrize("kind", [*SHARED, *TOLD_APART])
def test_building_a_model_changes_nothing(kind: str) -> None:
    """So that its graphs are found before it is built."""
    build = {**SHARED, **TOLD_APART}[kind][0]
    prepared = prepare(fit_study(build, batch_size=BATCH), data(), assignment(1))
    before = structure_of(prepared)
    graph_cache.build(prepared)
    assert structure_of(prepared) == before


@pytest.mark.parametrize("kind", TOLD_APART)
def test_what_is_built_in_makes_one(kind: str) -> None:
    one, other = structures(TOLD_APART[kind])
    assert one is not None and other is not None
    assert one != other


@pytest.mark.parametrize("kind", UNTOLD)
def test_what_is_not_keras_own_has_no_structure(kind: str) -> None:
    assert structures(UNTOLD[kind]) == [None, None]


def test_an_output_may_be_called_like_a_seed() -> None:
    def seeds(loss: str, weight: int) -> Any:
        def build(_: dict[str, Any]) -> Any:
            inputs = keras.Input((4,))
            model = keras.Model(inputs, {"seed": layers.Dense(1)(inputs), "an_initializer": layers.Dense(1)(inputs)})
            weights = {"seed": weight, "an_initializer": 1}
            model.compile("sgd", {"seed": "mse", "an_initializer": loss}, loss_weights=weights)
            return model

        return build

    assert len({None, *structures([seeds("mse", 1), seeds("mae", 1), seeds("mse", 2)])}) == 4


def test_which_layers_share_a_kernel_is_told() -> None:
    def tied(place: int) -> Any:
        def build(_: dict[str, Any]) -> Any:
            inner = [layers.Dense(4, use_bias=False, activation=how) for how in ("tanh", "relu", "sigmoid")]
            model = keras.Sequential([keras.Input((4,)), *inner, layers.Dense(3, activation="softmax")])
            inner[2]._tracker.unlock()
            inner[2]._kernel = inner[place]._kernel
            model.compile("sgd", SOFTMAX)
            return model

        return build

    assert len({None, *structures([tied(0), tied(1), tied(1)])}) == 3


def test_a_metric_of_two_outputs_is_not_two_metrics() -> None:
    def measured(make: Callable[[], list[Any]]) -> Any:
        def build(_: dict[str, Any]) -> Any:
            inputs = keras.Input((4,))
            model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
            model.compile("sgd", "mse", metrics=make())
            return model

        return build

    def one() -> list[Any]:
        return [[keras.metrics.MeanAbsoluteError(name="mae")]] * 2

    def two() -> list[Any]:
        return [[keras.metrics.MeanAbsoluteError(name="mae")] for _ in range(2)]

    assert len({None, *structures([measured(one), measured(two), measured(two)])}) == 3


def test_a_callback_that_runs_a_function_may_change_the_model() -> None:
    """After it is built, before its graph is traced."""

    def study(rate: float | None) -> Any:
        layer: list[Any] = []

        def build(_: dict[str, Any]) -> Any:
            layer[:] = [layers.Dropout(0.1)]
            return stack(lambda: layer[0])({})

        def change(logs: Any) -> None:
            layer[0].rate = rate or layer[0].rate

        callbacks = [] if rate is None else [keras.callbacks.LambdaCallback(on_train_begin=change)]
        return fit_study(build, batch_size=BATCH, fit=lambda _: {"callbacks": callbacks})

    cold = train(study(0.9), assignment(EPOCHS, EPOCHS), data())
    graph_cache.forget_graphs()
    train(study(None), assignment(EPOCHS, EPOCHS, seed=3), data())
    warm = train(study(0.9), assignment(EPOCHS, EPOCHS), data())
    assert warm.link.curve == cold.link.curve


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
