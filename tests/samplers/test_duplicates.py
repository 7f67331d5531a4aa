"""What was tried is not tried again, and a small space comes to its end."""

from typing import Any

import pytest

from orchestrator.samplers import Exhausted, Sampler, make_sampler
from search_spaces import Choice, Float, Int, Space

SMALL = Space(kind=Choice(["a", "b"]), depth=Int(1, 3), last=Choice([True, False]))
SAMPLERS = ("random", "grid", "sobol", "optuna:random", "optuna:tpe")


def made(text: str, space: Space, seed: int, repeats: bool = False) -> Sampler:
    if text.startswith("optuna"):
        pytest.importorskip("optuna")
    return make_sampler(text, space, seed, repeats=repeats)


def run(sampler: Sampler, trials: int, first: int = 0) -> list[dict[str, Any]]:
    found = []
    for trial in range(first, first + trials):
        configuration = sampler.configuration(trial)
        sampler.begun(trial, configuration)
        sampler.reported(trial, 1, 0.5)
        sampler.ended(trial, 0.5)
        found.append(configuration)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", SAMPLERS)
def test_a_finite_space_is_gone_through_once(text: str, seed: int) -> None:
    sampler = made(text, SMALL, seed)
    assert len(set(map(repr, run(sampler, 12)))) == 12
    with pytest.raises(Exhausted, match=r"all 12 (configurations of the search space|points of the grid) were tried"):
        sampler.configuration(12)


@pytest.mark.parametrize("text", SAMPLERS)
def test_what_constraints_allow_of_it_is(text: str) -> None:
    space = Space(dict(SMALL), constraints={"deep": lambda c: c["kind"] == "a" or c["depth"] > 1})
    sampler = made(text, space, 0)
    found = run(sampler, 10)
    assert len(set(map(repr, found))) == 10 and all(space.refused_by(c) == [] for c in found)
    with pytest.raises(Exhausted, match=r"all 10 .* that meet the constraints were tried"):
        sampler.configuration(10)


@pytest.mark.parametrize("text", SAMPLERS)
def test_start_configurations_count(text: str) -> None:
    sampler = made(text, SMALL, 0)
    start = {"last": False, "kind": "b", "depth": 2}
    sampler.begun(0, start)
    found = run(sampler, 11, first=1)
    assert start not in found
    with pytest.raises(Exhausted):
        sampler.configuration(12)


@pytest.mark.parametrize("text", SAMPLERS)
def test_one_and_true_are_two_configurations(text: str) -> None:
    space = Space(a=Choice([1, True, 0, False]))
    for first in (1, True, 0, False):
        sampler = made(text, space, 0)
        sampler.begun(0, {"a": first})
        found = {repr(configuration["a"]) for configuration in run(sampler, 3, first=1)}
        assert found == {"1", "True", "0", "False"} - {repr(first)}


@pytest.mark.parametrize("text", SAMPLERS)
def test_repeats_are_to_be_had(text: str) -> None:
    found = run(made(text, SMALL, 0, repeats=True), 40)
    assert len(found) == 40 > len(set(map(repr, found)))


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 0.0}, {"a": -0.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}, False),
        ({"a": 1e300}, {"a": 1e300}, True),
    ],
)
def test_what_is_the_same(one: dict[str, Any], other: dict[str, Any], are_one: bool) -> None:
    sampler = make_sampler("random", SMALL, 0)
    sampler.begun(0, one)
    assert sampler.is_new(other) is not are_one


def test_the_first_draw_stands_where_it_is_new() -> None:
    """Drawing again uses further numbers of the same trial; those of other trials stay."""
    space = Space(kind=Choice(["a", "b", "c", "d"]), rate=Float(0, 1, when={"kind": ["a"]}))
    free = [make_sampler("random", space, 2).configuration(trial) for trial in range(30)]
    found = run(make_sampler("random", space, 2), 30)
    seen: list[dict[str, Any]] = []
    for first, taken in zip(free, found, strict=True):
        assert taken == first or first in seen
        assert taken not in seen
        seen.append(taken)


def test_draws_that_cannot_be_told_from_those_before() -> None:
    """A Float so narrow that it cannot be listed, and yet is nearly used up."""
    sampler = make_sampler("random", Space(a=Float(1, 1 + 2**-52)), 0)
    run(sampler, 2)
    with pytest.raises(Exhausted, match="100 draws in a row gave configurations that were tried"):
        sampler.configuration(2)
