"""Samplers by name, what random search draws, and the laws of all that do not adapt."""

from typing import Any

import pytest

from orchestrator.samplers import SAMPLERS, Exhausted, Sampler, check_sampler, make_sampler
from search_spaces import Choice, Fixed, Float, Int, Space

SPACE = Space(
    rate=Float(1e-4, 1.0, scale="log"),
    units=Int(8, 64),
    optimizer=Choice(["sgd", "adam"]),
    momentum=Float(0.9, 0.999, scale="reverse_log", when={"optimizer": ["sgd"]}),
    seed=Fixed(1),
)
BOUND = Space(dict(SPACE), constraints={"small": lambda c: c["units"] < 40 or c["optimizer"] == "adam"})
SMALL = Space(kind=Choice(["a", "b", "c"]), depth=Int(1, 4, when={"kind": ["a", "b"]}), width=Int(1, 3))
NON_ADAPTIVE = ("random", "grid:4", "sobol")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("randon", r"use one of grid, .*random.*; did you mean 'random'\?"),
        ("random:x=1", "random takes no options: leave ':x=1' out"),
        ("sobol:5", "sobol takes no options: leave ':5' out"),
        ("grid:", "give an option after 'grid:', or leave the colon out"),
    ],
)
def test_what_names_no_sampler(text: str, problem: str) -> None:
    for read in (check_sampler, lambda text: make_sampler(text, SPACE, 0)):
        with pytest.raises(ValueError, match=problem):
            read(text)


@pytest.mark.parametrize("text", ["random", "grid", "grid:3", "grid:3,rate=5", "sobol", "optuna", "optuna:tpe"])
def test_what_names_one(text: str) -> None:
    check_sampler(text)
    assert text.partition(":")[0] in SAMPLERS


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


def run(sampler: Sampler, trials: int, given: dict[int, dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """As the scheduler does: each trial begins before the next is asked for, some with what is given for them."""
    found: list[dict[str, Any]] = []
    for trial in range(trials):
        configuration = (given or {}).get(trial) or sampler.configuration(trial)
        sampler.begun(trial, configuration)
        found.append(configuration)
    return found


@pytest.mark.parametrize("space", [SPACE, BOUND, SMALL], ids=["plain", "bound", "small"])
@pytest.mark.parametrize("text", NON_ADAPTIVE)
def test_every_configuration_is_in_the_space_allowed_and_new(text: str, space: Space) -> None:
    found = run(make_sampler(text, space, 3), 20)
    for configuration in found:
        space.check(configuration)
        assert space.refused_by(configuration) == []
    assert len(set(map(repr, found))) == 20


@pytest.mark.parametrize("space", [SPACE, BOUND, SMALL], ids=["plain", "bound", "small"])
@pytest.mark.parametrize("text", NON_ADAPTIVE)
def test_what_is_asked_twice_is_answered_alike(text: str, space: Space) -> None:
    once, often = make_sampler(text, space, 3), make_sampler(text, space, 3)
    for trial in range(20):
        configuration = once.configuration(trial)
        assert [often.configuration(trial) for _ in range(3)] == [configuration] * 3
        once.begun(trial, configuration)
        often.begun(trial, configuration)


@pytest.mark.parametrize("given", [{}, {0: {"kind": "c", "width": 2}, 1: {"kind": "a", "depth": 2, "width": 3}}])
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("text", NON_ADAPTIVE)
def test_a_fold_goes_on_where_the_run_was(text: str, repeats: bool, given: dict[int, dict[str, Any]]) -> None:
    """Also of a small space, where nearly all was tried, and where the fold has asked for nothing."""
    lived = make_sampler(text, SMALL, 5, repeats=repeats)
    begun = run(lived, 26, given)
    for until in range(27):
        folded = make_sampler(text, SMALL, 5, repeats=repeats)
        for trial, configuration in enumerate(begun[:until]):
            folded.begun(trial, dict(reversed(configuration.items())))
        if until not in given:
            expected = begun[until] if until < 26 else lived.configuration(26)
            assert folded.configuration(until) == expected


@pytest.mark.parametrize("text", NON_ADAPTIVE)
def test_what_becomes_of_trials_changes_nothing(text: str) -> None:
    quiet, told = make_sampler(text, SPACE, 1), make_sampler(text, SPACE, 1)
    for trial in range(20):
        configuration = quiet.configuration(trial)
        assert told.configuration(trial) == configuration
        quiet.begun(trial, configuration)
        told.begun(trial, configuration)
        told.reported(trial, 1, trial / 7)
        told.paused(trial)
        told.ended(trial, trial / 7 if trial % 3 else None)
        assert told.adaptation() is None
