"""The Sobol sequence: evenly spread, whatever the seed, and past what is refused."""

import numpy as np
import pytest
from scipy.stats import qmc

from orchestrator.samplers import Exhausted, make_sampler
from search_spaces import Choice, Float, Int, Space


def points(name: str, dimensions: int, seed: int, count: int = 64) -> np.ndarray:
    space = Space({f"x{i}": Float(0, 1) for i in range(dimensions)})
    sampler = make_sampler(name, space, seed)
    rows = []
    for trial in range(count):
        configuration = sampler.configuration(trial)
        sampler.begun(trial, configuration)
        rows.append(list(configuration.values()))
    return np.array(rows)


@pytest.mark.parametrize("dimensions", [3, 8])
def test_it_is_spread_more_evenly_than_random_draws(dimensions: int) -> None:
    sobol = [qmc.discrepancy(points("sobol", dimensions, seed)) for seed in range(5)]
    random = [qmc.discrepancy(points("random", dimensions, seed)) for seed in range(5)]
    assert max(sobol) < min(random)
    assert np.mean(sobol) < np.mean(random) / 2


def test_the_seed_scrambles_it() -> None:
    assert not np.array_equal(points("sobol", 3, 0), points("sobol", 3, 1))
    assert np.array_equal(points("sobol", 3, 1), points("sobol", 3, 1))


def test_blocks_make_one_sequence() -> None:
    values = points("sobol", 2, 5, count=256)
    for column in values.T:
        assert np.bincount((column * 256).astype(int)).tolist() == [1] * 256


def test_a_hyperparameter_keeps_its_dimension_where_another_is_inactive() -> None:
    always = Space(kind=Choice(["a", "b"]), momentum=Float(0, 1), rate=Float(0, 1))
    sometimes = Space(kind=Choice(["a", "b"]), momentum=Float(0, 1, when={"kind": "a"}), rate=Float(0, 1))
    samplers = [make_sampler("sobol", space, 3) for space in (always, sometimes)]
    seen = set()
    for trial in range(8):
        one, other = (sampler.configuration(trial) for sampler in samplers)
        assert (one["kind"], one["rate"]) == (other["kind"], other["rate"])
        seen.add("momentum" in other)
        for sampler, configuration in zip(samplers, (one, other), strict=True):
            sampler.begun(trial, configuration)
    assert seen == {True, False}


def test_refused_points_are_left_out() -> None:
    free = Space(a=Float(0, 1), b=Float(0, 1))
    bound = Space(a=Float(0, 1), b=Float(0, 1), constraints={"less": lambda c: c["a"] < c["b"]})
    every, allowed = make_sampler("sobol", free, 2), make_sampler("sobol", bound, 2)
    expected = []
    for trial in range(64):
        configuration = every.configuration(trial)
        every.begun(trial, configuration)
        if configuration["a"] < configuration["b"]:
            expected.append(configuration)
    for trial, configuration in enumerate(expected):
        assert allowed.configuration(trial) == configuration
        allowed.begun(trial, configuration)


def test_a_small_space_comes_to_its_end() -> None:
    sampler = make_sampler("sobol", Space(a=Int(1, 4), b=Choice(["x", "y", "z"])), 0)
    found = set()
    for trial in range(12):
        configuration = sampler.configuration(trial)
        sampler.begun(trial, configuration)
        found.add((configuration["a"], configuration["b"]))
    assert len(found) == 12
    with pytest.raises(Exhausted, match="all 12 configurations of the search space were tried"):
        sampler.configuration(12)


def test_impossible_constraints() -> None:
    space = Space(a=Float(0, 1), constraints={"impossible": lambda c: c["a"] > 1})
    with pytest.raises(Exhausted, match="impossible refused 1001"):
        make_sampler("sobol", space, 0).configuration(0)
