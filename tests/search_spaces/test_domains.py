"""The laws every domain keeps: round trips, bounds, shares, plain values, JSON, equality."""

import copy
import json
import math
import pickle
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Choice, Domain, Fixed, Float, Int, SpaceError, domain_from_json

BILLION = 10**9
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=5e-324, allow_infinity=False)
below_one = st.floats(max_value=math.nextafter(1, 0), allow_infinity=False)
scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.integers(-BILLION, BILLION),
    st.booleans(),
    st.none(),
    finite,
)
units = st.floats(0, 1)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    scale = draw(st.sampled_from(["linear", "log", "reverse_log"]))
    bound = {"linear": finite, "log": positive, "reverse_log": below_one}[scale]
    low, high = sorted([draw(bound), draw(bound)])
    return Float(low, high, scale, default=draw(st.sampled_from([..., low, high])))


@st.composite
def ints(draw: st.DrawFn) -> Int:
    limit = draw(st.sampled_from([10, 1000, 10**12]))
    scale = draw(st.sampled_from(["linear", "log"]))
    low, high = sorted([draw(st.integers(1 if scale == "log" else -limit, limit)) for _ in range(2)])
    if scale == "linear" and draw(st.booleans()):
        step = draw(st.integers(1, limit))
        return Int(low, high - (high - low) % step, step=step)
    return Int(low, high, scale)


choices = st.lists(scalars, min_size=1, max_size=8, unique_by=lambda value: (isinstance(value, bool), value)).map(
    Choice
)
fixed = scalars.map(Fixed)


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


@settings(deadline=None)
@given(floats(), units)
def test_a_float_round_trips_exactly_at_its_bounds_and_to_rounding_between(domain: Float, unit: float) -> None:
    assert domain.problems == ()
    assert same(domain.from_unit(0), domain.low) and same(domain.from_unit(1), domain.high)
    value = domain.from_unit(unit)
    assert type(value) is float and domain.contains(value)
    for number in (domain.low, domain.high):
        assert domain.from_unit(domain.to_unit(number)) == number
    again = domain.from_unit(domain.to_unit(value))
    if domain.scale == "log":
        assert again == pytest.approx(value, rel=1e-12, abs=1e-320)
    else:
        widest = max(abs(domain.low), abs(domain.high))
        slack = max(widest, 1 - domain.low) if domain.scale == "reverse_log" else widest
        assert abs(again / 2 - value / 2) <= max(1e-12 * slack, 1e-320)


@settings(deadline=None, max_examples=200)
@given(ints(), st.data())
def test_an_int_round_trips_everywhere(domain: Int, data: st.DataObject) -> None:
    assert domain.problems == ()
    assert (domain.from_unit(0), domain.from_unit(1)) == (domain.low, domain.high)
    index = data.draw(st.integers(0, domain.count - 1))
    for value in (domain.low, domain.high, domain.low + index * (domain.step or 1)):
        assert same(domain.from_unit(domain.to_unit(value)), value)
    drawn = domain.from_unit(data.draw(units))
    assert type(drawn) is int and domain.contains(drawn)


@settings(deadline=None)
@given(st.one_of(choices, fixed), units)
def test_named_values_round_trip_with_their_type(domain: Choice | Fixed, unit: float) -> None:
    assert domain.problems == ()
    values: Sequence[Any] = domain.values if isinstance(domain, Choice) else [domain.value]
    for value in values:
        assert 0 < domain.to_unit(value) < 1
        assert same(domain.from_unit(domain.to_unit(value)), value)
    assert any(same(domain.from_unit(unit), value) for value in values)
    assert same(domain.from_unit(0), values[0]) and same(domain.from_unit(1), values[-1])


@settings(deadline=None)
@given(st.one_of(floats(), ints(), choices, fixed))
def test_json_restores_every_domain(domain: Domain) -> None:
    assert domain_from_json(json.loads(json.dumps(domain.to_json(), allow_nan=False))) == domain


@settings(deadline=None)
@given(st.one_of(floats(), ints(), choices, fixed))
def test_a_domain_prints_as_what_makes_it(domain: Domain) -> None:
    names = {"Float": Float, "Int": Int, "Choice": Choice, "Fixed": Fixed}
    assert eval(repr(domain), names) == domain


@pytest.mark.parametrize("domain", [Int(3, 12), Int(10, 100, step=10), Choice(list("abcdefghij"))])
def test_linear_shares_are_equal_at_the_ends_too(domain: Int | Choice) -> None:
    counts = Counter(domain.from_unit((k + 0.5) / 1000) for k in range(1000))
    assert len(counts) == 10 and set(counts.values()) == {100}


def test_log_shares_fall_as_one_over_k_at_the_ends_too() -> None:
    domain = Int(1, 8, "log")
    counts = Counter(domain.from_unit((k + 0.5) / 100_000) for k in range(100_000))
    whole = math.log(8.5 / 0.5)
    for k in range(1, 9):
        assert counts[k] / 100_000 == pytest.approx(math.log((k + 0.5) / (k - 0.5)) / whole, abs=2e-5)


def test_numpy_values_become_plain_ones() -> None:
    number = Float(np.float32(0.5), np.int64(2))  # type: ignore[arg-type]
    assert same(number.low, 0.5) and same(number.high, 2.0) and number.contains(np.float64(1))
    whole = Int(np.int32(1), np.int64(4), step=np.int8(1))  # type: ignore[arg-type]
    assert same(whole.from_unit(np.float64(1)), 4) and whole.contains(np.int16(3))
    assert same(number.from_unit(np.float64(0.5)), 1.25)
    listed = Choice(np.array([16, 32]))  # type: ignore[arg-type]
    assert listed == Choice([16, 32]) and listed.to_unit(np.int64(32)) == 0.75  # type: ignore[arg-type]
    assert Fixed(1, when={"a": np.array(3), "b": np.array([1])}) == Fixed(1, when={"a": 3, "b": 1})
    assert same(Fixed(np.bool_(True)).value, True)  # type: ignore[arg-type]


def test_true_is_not_one() -> None:
    both = Choice([True, 1, False, 0])
    assert [both.from_unit(both.to_unit(value)) for value in (True, 1, False, 0)] == [True, 1, False, 0]
    assert [type(both.from_unit(both.to_unit(value))) for value in (True, 1)] == [bool, int]
    assert not Choice([1]).contains(True) and not Fixed(False).contains(0)
    assert not Int(0, 1).contains(True) and not Float(0, 1).contains(True)
    assert Choice([1]) != Choice([True]) and len({Choice([1]), Choice([True]), Choice([1])}) == 2


@pytest.mark.parametrize(
    ("domain", "value"),
    [
        (Float(0, 1), 1.0000001),
        (Float(0, 1), math.nan),
        (Float(0, 1), "0.5"),
        (Float(0, 1), None),
        (Int(0, 4), 2.0),
        (Int(0, 4), 5),
        (Int(0, 4, step=2), 3),
        (Choice(["a"]), "b"),
        (Choice(["a"]), ["a"]),
        (Choice(["a"]), np.array(["a"])),
        (Fixed(None), 0),
        (Fixed(1), {}),
    ],
)
def test_what_is_outside_is_refused(domain: Domain, value: Any) -> None:
    assert not domain.contains(value)
    with pytest.raises(SpaceError, match="is no value of"):
        domain.to_unit(value)


@pytest.mark.parametrize("unit", [-1e-9, 1.0000001, math.nan, math.inf])
@pytest.mark.parametrize("domain", [Float(0, 1), Int(0, 4), Int(1, 4, "log"), Choice(["a"]), Fixed(1)])
def test_units_outside_of_the_unit_interval_are_refused(domain: Domain, unit: float) -> None:
    with pytest.raises(SpaceError, match="use a number from 0 to 1"):
        domain.from_unit(unit)


def test_a_senseless_domain_raises_when_used_by_itself() -> None:
    domain = Float(2, 1)
    for use in (lambda: domain.from_unit(0.5), lambda: domain.to_unit(1), lambda: domain.contains(1), domain.to_json):
        with pytest.raises(SpaceError, match="Float: low 2 is above high 1"):
            use()


def test_domains_are_frozen_and_copy_and_travel() -> None:
    domain = Float(1e-4, 1, "log", group=1, when={"optimizer": ["sgd"]})
    with pytest.raises(AttributeError):
        domain.low = 0  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(domain)) == domain == copy.deepcopy(domain)
    assert repr(domain) == "Float(0.0001, 1.0, scale='log', group=1, when={'optimizer': ['sgd']})"


def test_one_value_in_a_condition_needs_no_list() -> None:
    assert Fixed(1, when={"a": "sgd", "b": True}) == Fixed(1, when={"a": ["sgd"], "b": (True,)})


def test_the_extremes_of_a_float_work() -> None:
    widest = Float(-sys.float_info.max, sys.float_info.max)
    assert widest.from_unit(0.5) == 0 and widest.to_unit(0.0) == 0.5
    assert Float(-0.0, 1).to_json() == Float(0, 1).to_json()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "3 is no domain"),
        ({}, "needs a type"),
        ({"type": "flaot"}, "did you mean 'float'"),
        ({"type": "float", "low": 1}, "missing"),
        ({"type": "float", "low": 1, "high": 2, "color": 3}, "color"),
        ({"type": "float", "low": 2, "high": 1}, "low 2 is above high 1"),
    ],
)
def test_json_that_is_no_domain_is_refused(data: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        domain_from_json(data)


@pytest.mark.parametrize(
    ("domain", "value"),
    [
        (Float(1e-4, 1, "log"), pytest.approx(0.01)),
        (Float(0.5, 0.98, "reverse_log", default=0.9), 0.9),
        (Float(0, 4, default=1), 1.0),
        (Int(1, 4), 3),
        (Int(1, 5, default=np.int64(2)), 2),
        (Choice(["a", "b", "c"]), "a"),
        (Choice(["a", None], default=None), None),
        (Choice([1, 2], default=2.0), 2),
        (Fixed("a"), "a"),
    ],
)
def test_what_a_domain_stays_at(domain: Domain, value: Any) -> None:
    assert domain.default_value == value and type(domain.default_value) is type(getattr(value, "expected", value))
    assert domain.contains(domain.default_value)


def test_a_default_is_shown_and_written_where_it_was_given() -> None:
    plain, given = Float(0.5, 0.98), Float(0.5, 0.98, default=0.9)
    assert plain.describe() == "0.5 … 0.98" and given.describe() == "0.5 … 0.98, default 0.9"
    assert "default" not in plain.to_json() and "default" not in repr(plain)
    assert given.to_json() == plain.to_json() | {"default": 0.9} and given != plain
    none = Choice([None, "l2"], default=None)
    assert none.to_json()["default"] is None and domain_from_json(none.to_json()) == none
    assert pickle.loads(pickle.dumps(plain)) == plain == copy.deepcopy(plain)
