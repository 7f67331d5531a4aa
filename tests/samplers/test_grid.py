"""Grid search: its points, its order, its end."""

from typing import Any

import pytest

from orchestrator.samplers import Exhausted, Sampler, make_sampler, read_points
from search_spaces import Choice, Float, Int, Space

SPACE = Space(
    rate=Float(1e-4, 1, "log"),
    kind=Choice(["a", "b", "c", "d", "e", "f"]),
    depth=Int(1, 3, when={"kind": ["a", "b"]}),
)


def run(sampler: Sampler, trials: int, first: int = 0) -> list[dict[str, Any]]:
    """As the scheduler does: each begins before the next is asked for."""
    found = []
    for trial in range(first, first + trials):
        configuration = sampler.configuration(trial)
        sampler.begun(trial, configuration)
        found.append(configuration)
    return found


@pytest.mark.parametrize(
    ("text", "points", "size"),
    [
        ("grid", None, 5 * (4 + 2 * 3)),
        ("grid:2", None, 2 * (4 + 2 * 2)),
        ("grid:points=2", None, 2 * (4 + 2 * 2)),
        ("grid:2,rate=7", None, 7 * (4 + 2 * 2)),
        ("grid:rate=7", None, 7 * (4 + 2 * 3)),
        ("grid:kind=2", None, 5 * (3 + 1)),
        ("grid", "2,rate=7", 7 * (4 + 2 * 2)),
        ("grid", "rate=7", 7 * (4 + 2 * 3)),
        ("grid:9,rate=8", "2", 8 * (4 + 2 * 2)),
    ],
)
def test_points(text: str, points: str | None, size: int) -> None:
    sampler = make_sampler(text, SPACE, 0, points=points)
    assert sampler.size() == size
    found = run(sampler, size)
    assert len(set(map(repr, found))) == size
    with pytest.raises(Exhausted, match=f"all {size} points of the grid were tried"):
        sampler.configuration(size)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("grid:0", "points is 0: use a whole number of at least 1"),
        ("grid:2.5", "points is 2.5: use a whole number of at least 1"),
        ("grid:rate=0", "rate is 0: use a whole number of at least 1"),
        ("grid:rates=3", "points are given for 'rates', which is not in the search space; did you mean 'rate'?"),
        ("grid:self=3", "points are given for 'self', which is not in the search space"),
    ],
)
def test_problems(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        make_sampler(text, SPACE, 0)
    assert str(refused.value) == problem


def test_points_as_a_text() -> None:
    assert read_points("5,learning_rate=9") == {"points": 5, "learning_rate": 9}
    with pytest.raises(ValueError, match="learning_rate is many"):
        read_points("5,learning_rate=many")


def test_the_order_does_not_depend_on_the_seed() -> None:
    assert run(make_sampler("grid", SPACE, 0), 50) == run(make_sampler("grid", SPACE, 1), 50)


def test_a_hyperparameter_may_be_called_as_an_argument_is() -> None:
    space = Space(space=Float(0, 1), seed=Float(0, 1), trials=Float(0, 1), repeats=Float(0, 1))
    assert make_sampler("grid:2,seed=3,space=5", space, 0).size() == 3 * 5 * 2 * 2


def test_constraints_leave_points_out() -> None:
    space = Space(
        a=Int(1, 4), b=Int(1, 4), constraints={"less": lambda c: c["a"] < c["b"], "odd": lambda c: c["a"] % 2 == 1}
    )
    sampler = make_sampler("grid", space, 0)
    assert sampler.size() == 16, "known before a constraint is asked"
    found = run(sampler, 4)
    assert sorted((c["a"], c["b"]) for c in found) == [(1, 2), (1, 3), (1, 4), (3, 4)]
    expected = r"all 4 points of the grid that meet the constraints were tried \(less refused 10, odd refused 8\)"
    with pytest.raises(Exhausted, match=expected):
        sampler.configuration(4)


def test_constraints_that_leave_nothing() -> None:
    space = Space(a=Float(0, 1), constraints={"never": lambda c: False})
    with pytest.raises(Exhausted, match=r"no more points .* \(never refused 5\): loosen them, or give other points"):
        make_sampler("grid", space, 0).configuration(0)


@pytest.mark.parametrize("start", [[], [{"a": 0.5}]])
def test_a_constraint_that_fails(start: list[dict[str, Any]]) -> None:
    sampler = make_sampler("grid", Space(a=Float(0, 1), constraints={"wrong": lambda c: c["b"] > 0}), 0)
    for trial, configuration in enumerate(start):
        sampler.begun(trial, configuration)
    with pytest.raises(Exhausted, match="constraint wrong raised KeyError"):
        sampler.configuration(len(start))


def test_a_start_configuration_on_the_grid_is_not_tried_again() -> None:
    sampler = make_sampler("grid:3", Space(a=Float(0, 1), b=Int(0, 2)), 0)
    sampler.begun(0, {"a": 1, "b": 2})
    found = run(sampler, 8, first=1)
    assert {"a": 1.0, "b": 2} not in found
    with pytest.raises(Exhausted):
        sampler.configuration(9)


def test_with_repeats_it_is_gone_through_again() -> None:
    sampler = make_sampler("grid:2", Space(a=Float(0, 1)), 0, repeats=True)
    sampler.begun(0, {"a": 0.5})
    found = [configuration["a"] for configuration in run(sampler, 6, first=1)]
    assert found == [1, 0, 1, 0, 1, 0]
