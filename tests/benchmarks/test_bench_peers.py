"""A space means the same to each peer, where it is installed (`make bench` does it in an environment of its own)."""

from typing import Any

import pytest

from benchmarks.bench import models
from benchmarks.bench.training import configurations

KINDS = list(models.SPACES)


@pytest.mark.parametrize("kind", KINDS)
def test_optuna_suggests_what_is_listed(kind: Any) -> None:
    optuna = pytest.importorskip("optuna")
    from benchmarks.bench.contestants.optuna import suggest

    for configuration in configurations(kind, 5, seed=0):
        assert suggest(optuna.trial.FixedTrial(configuration), models.SPACES[kind]) == configuration


@pytest.mark.parametrize("kind", KINDS)
def test_tune_samples_within_the_space(kind: Any) -> None:
    pytest.importorskip("pyarrow", reason="Ray Tune needs it")
    from benchmarks.bench.contestants.tune import param_space

    for _ in range(20):
        models.SPACES[kind].check({name: domain.sample() for name, domain in param_space(models.SPACES[kind]).items()})


@pytest.mark.parametrize("kind", KINDS)
def test_keras_tuner_samples_within_the_space(kind: Any) -> None:
    keras_tuner = pytest.importorskip("keras_tuner")
    from benchmarks.bench.contestants.keras_tuner import suggest

    known = keras_tuner.HyperParameters()
    suggest(known, models.SPACES[kind])
    for seed in range(20):
        drawn = {domain.name: domain.random_sample(seed) for domain in known.space}
        models.SPACES[kind].check(drawn)
