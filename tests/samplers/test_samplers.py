"""Samplers by name, and what random search draws."""

import pytest

from orchestrator.errors import UserError
from orchestrator.samplers import SAMPLERS, Exhausted, Sampler, make_sampler
from search_spaces import Choice, Fixed, Float, Int, Space

SPACE = Space(
    rate=Float(1e-4, 1.0, scale="log"),
    units=Int(8, 64),
    optimizer=Choice(["sgd", "adam"]),
    momentum=Float(0.9, 0.999, scale="reverse_log", when={"optimizer": ["sgd"]}),
    seed=Fixed(1),
)


def test_samplers_by_name() -> None:
    assert list(SAMPLERS) == ["random"]
    with pytest.raises(UserError, match=r"no sampler 'randon'; did you mean 'random'\? \(known: random\)"):
        make_sampler("randon", SPACE, 0)


def drawn(sampler: Sampler, trials: list[int]) -> dict[int, dict[str, object]]:
    return {trial: sampler.configuration(trial) for trial in trials}


def test_a_configuration_depends_on_seed_and_trial_alone() -> None:
    forwards = drawn(make_sampler("random", SPACE, 7), list(range(20)))
    backwards = drawn(make_sampler("random", SPACE, 7), list(range(19, -1, -1)) * 2)
    assert forwards == backwards
    assert drawn(make_sampler("random", SPACE, 8), list(range(20))) != forwards


def test_pinned_configurations() -> None:
    """They must never change: who repeats a run with its seed gets its trials again."""
    sampler = make_sampler("random", SPACE, 7)
    rate = pytest.approx(0.3387406534864)
    assert sampler.configuration(0) == {"rate": rate, "units": 29, "optimizer": "adam", "seed": 1}
    rate, momentum = pytest.approx(0.8042174467037803), pytest.approx(0.9766123468558365)
    assert sampler.configuration(1) == {"rate": rate, "units": 44, "optimizer": "sgd", "momentum": momentum, "seed": 1}


def test_trials_differ_and_lie_in_the_space() -> None:
    configurations = list(drawn(make_sampler("random", SPACE, 0), list(range(200))).values())
    assert len({configuration["rate"] for configuration in configurations}) == 200
    assert {configuration["optimizer"] for configuration in configurations} == {"sgd", "adam"}
    for configuration in configurations:
        assert 1e-4 <= configuration["rate"] <= 1.0 and 8 <= configuration["units"] <= 64
        assert ("momentum" in configuration) == (configuration["optimizer"] == "sgd")
    small = sum(configuration["rate"] < 1e-2 for configuration in configurations)
    assert 70 <= small <= 130, "half of the draws on the log scale"


def test_a_space_that_its_constraint_leaves_empty_is_exhausted() -> None:
    space = Space(a=Float(0.0, 1.0), constraints={"impossible": lambda configuration: configuration["a"] > 1})
    with pytest.raises(Exhausted, match="impossible"):
        make_sampler("random", space, 0).configuration(0)
