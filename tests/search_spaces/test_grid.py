"""Grids: which values, how many points, and each of them once, by their number."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Choice, Domain, Fixed, Float, Int, Space, load
from search_spaces.grid import Grid, all_values, values_of, whole


@pytest.mark.parametrize(
    ("domain", "points", "values"),
    [
        (Float(0, 1), 3, [0, 0.5, 1]),
        (Float(0, 1), 2, [0, 1]),
        (Float(0, 1), 1, [0.5]),
        (Float(1e-4, 1, "log"), 5, [0.0001, 0.001, 0.01, 0.1, 1]),
        (Float(1e-4, 1, "log"), 1, [0.01]),
        (Float(0.9, 0.999, "reverse_log"), 3, [0.9, 0.99, 0.999]),
        (Float(3, 3), 4, [3]),
        (Float(1, 1 + 2**-52), 4, [1, 1 + 2**-52]),
        (Int(1, 3), 5, [1, 2, 3]),
        (Int(1, 3), 3, [1, 2, 3]),
        (Int(1, 9), 3, [1, 5, 9]),
        (Int(1, 9), 1, [5]),
        (Int(16, 64, step=16), 2, [16, 64]),
        (Int(16, 256, "log"), 5, [16, 32, 64, 128, 256]),
        (Int(1, 12, "log"), 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]),
        (Int(1, 10**12, "log"), 3, [1, 10**6, 10**12]),
        (Int(1, 100, "log"), 1, [10]),
        (Choice(["a", "b", "c"]), 5, ["a", "b", "c"]),
        (Choice(["a", "b", "c"]), 2, ["a", "c"]),
        (Choice(["a", "b", "c"]), 1, ["b"]),
        (Fixed("x"), 9, ["x"]),
    ],
)
def test_values(domain: Domain, points: int, values: list[Any]) -> None:
    assert list(values_of(domain, points)) == values, "exactly, so that they read well"


def test_values_near_one_are_not_rounded_together() -> None:
    domain = Float(0.5, 1 - 1e-15, "reverse_log")
    values = values_of(domain, 40)
    assert len(values) == 40 and list(values) == sorted(values)
    assert all(domain.contains(value) for value in values)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 60), st.sampled_from(["linear", "log"]))
def test_whole_numbers_are_as_many_as_asked_for(low: int, width: int, points: int, scale: str) -> None:
    domain = Int(low, low + width, scale)
    values = list(values_of(domain, points))
    assert len(values) == min(points, domain.count)
    assert values == sorted(set(values)) and all(domain.contains(value) for value in values)
    if points > 1:
        assert (values[0], values[-1]) == (low, low + width)


def grid(space: Space, points: int) -> Grid:
    return Grid(space, {name: values_of(domain, points) for name, domain in space.items()})


def listed(grid: Grid) -> list[dict[str, Any]]:
    return [grid[i] for i in range(grid.size)]


def by_hand(space: Space, points: int) -> list[dict[str, Any]]:
    """Every choice of units, kept once for each configuration."""
    units = [[domain.to_unit(value) for value in values_of(domain, points)] for domain in space.values()]
    found = [space.configuration(dict(zip(space, chosen, strict=True))) for chosen in product(*units)]
    return [configuration for place, configuration in enumerate(found) if configuration not in found[:place]]


CONDITIONAL = Space(
    nesterov=Choice([False, True], when={"momentum_kind": ["plain"], "optimizer": ["sgd"]}),
    momentum_kind=Choice(["none", "plain"], when={"optimizer": ["sgd"]}),
    optimizer=Choice(["sgd", "adam", "rmsprop"]),
    beta=Int(1, 3, when={"optimizer": ["adam", "rmsprop"]}),
    layers=Int(1, 3),
    second=Choice(["relu", "tanh"], when={"layers": [2, 3]}),
    third=Choice(["relu", "tanh"], when={"layers": [3], "optimizer": ["adam"]}),
    classes=Fixed(10),
    rate=Int(0, 4, step=4),
)


def test_every_configuration_is_there_once() -> None:
    found = listed(grid(CONDITIONAL, 3))
    expected = by_hand(CONDITIONAL, 3)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    for configuration in found:
        CONDITIONAL.check(configuration)
        assert list(configuration) == [name for name in CONDITIONAL if name in configuration]


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to six small hyperparameters, each perhaps with conditions on those before it."""
    domains: dict[str, Domain] = {}
    for place in range(draw(st.integers(1, 6))):
        when = {
            parent: draw(st.lists(st.sampled_from(domains[parent].values), min_size=1, max_size=2, unique=True))
            for parent in draw(
                st.lists(st.sampled_from(sorted(domains)), max_size=2, unique=True) if domains else st.just([])
            )
        }
        domains[f"h{place}"] = Choice(list(range(draw(st.integers(1, 3)))), when=when or None)
    return Space(dict(draw(st.permutations(list(domains.items())))))


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_size_and_points_agree_with_the_list(space: Space) -> None:
    everything = grid(space, 3)
    assert sorted(map(repr, listed(everything))) == sorted(map(repr, by_hand(space, 3)))
    spread = [everything.spread(k) for k in range(everything.size)]
    assert sorted(map(repr, spread)) == sorted(map(repr, by_hand(space, 3)))


def test_the_size_of_a_large_grid_is_counted_without_listing_it() -> None:
    layers = range(1, 13)
    space = Space(
        {
            "layers": Int(1, 12),
            **{f"kind{i}": Choice(["a", "b", "c", "d"], when={"layers": list(range(i, 13))}) for i in layers},
            **{f"kernel{i}": Choice([1, 3, 5], when={f"kind{i}": ["a"]}) for i in layers},
        }
    )
    large = grid(space, 12)
    assert large.size == sum(6**depth for depth in layers)
    assert len({repr(large.spread(k)) for k in range(1000)}) == 1000


def test_the_size_of_a_shipped_space() -> None:
    sgd, adam = 5, 5 * 5 * 5
    assert grid(load("mlp"), 5).size == 5 * 5 * 5 * 3 * 5 * 2 * (sgd + adam)


def test_more_points_than_a_float_can_count() -> None:
    space = Space({f"h{i}": Float(0, 1) for i in range(600)})
    huge = grid(space, 5)
    assert huge.size == 5**600 and len(huge.spread(10**9)) == 600


@pytest.mark.parametrize("index", [-1, 1])
def test_there_is_no_point_beyond_the_ends(index: int) -> None:
    with pytest.raises(IndexError, match=f"no point {index} in a grid of 1"):
        grid(Space(a=Fixed(1)), 1)[index]


def test_the_middle_comes_first_and_a_beginning_covers_the_grid() -> None:
    space = Space({name: Float(0, 1) for name in "abcd"})
    cut_short = [grid(space, 5).spread(k) for k in range(50)]
    assert cut_short[0] == dict.fromkeys("abcd", 0.5)
    for one, other in product("abcd", repeat=2):
        if one != other:
            pairs = {(configuration[one], configuration[other]) for configuration in cut_short}
            assert len(pairs) >= 20, "of 25, within 50 of 625 points"


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Space(a=Choice([1, 2]), b=Int(1, 3)), 6),
        (Space(a=Choice([1, 2]), b=Int(1, 3, when={"a": 1}), c=Fixed(0)), 4),
        (Space(a=Choice([1, 2]), b=Float(0, 1)), None),
        (Space(a=Choice([1, 2]), b=Int(1, 10**12)), None),
        (Space(a=Int(1, 10), b=Int(1, 10), c=Int(1, 2)), None),
    ],
)
def test_a_small_space_as_a_whole(space: Space, size: int | None) -> None:
    found = whole(space, 100)
    assert (found.size if found else None) == size


def test_only_a_float_has_no_end() -> None:
    assert all_values(Float(0, 1)) is None
    assert list(all_values(Int(2, 6, step=2)) or ()) == [2, 4, 6]
