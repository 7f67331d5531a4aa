"""The formulas of the scales, where a search looks on each, and what rounding may not do."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import scales

UNITS = [0.0, 1e-300, 1e-9, 0.1, 1 / 3, 0.5, 0.9, 1 - 1e-9, math.nextafter(1, 0), 1.0]
BOUNDS = [
    ("linear", -1.0, 1.0),
    ("linear", -1e308, 1e308),
    ("linear", 1.0, math.nextafter(1, 2)),
    ("linear", 0.0, 5e-324),
    ("log", 1e-4, 1.0),
    ("log", 5e-324, sys.float_info.max),
    ("log", 1e300, math.nextafter(1e300, math.inf)),
    ("reverse_log", 0.9, 0.999),
    ("reverse_log", 0.0, math.nextafter(1, 0)),
    ("reverse_log", -sys.float_info.max, 0.5),
    ("reverse_log", 1 - 1e-15, math.nextafter(1, 0)),
]


@pytest.mark.parametrize("unit", UNITS)
def test_the_formulas_are_those_of_the_course_notes(unit: float) -> None:
    r = -4 + 4 * unit
    assert scales.from_unit("log", 1e-4, 1, unit) == pytest.approx(10**r, rel=1e-13)
    exponent = math.log10(1 - 0.9) + unit * (math.log10(1 - 0.999) - math.log10(1 - 0.9))
    assert scales.from_unit("reverse_log", 0.9, 0.999, unit) == pytest.approx(1 - 10**exponent, abs=1e-15)
    assert scales.from_unit("linear", 2, 10, unit) == pytest.approx(2 + 8 * unit)


@pytest.mark.parametrize(("scale", "low", "high"), BOUNDS)
def test_values_stay_within_the_bounds_and_never_fall(scale: str, low: float, high: float) -> None:
    values = [scales.from_unit(scale, low, high, unit) for unit in UNITS]
    assert values[0] == low and values[-1] == high
    assert all(low <= value <= high for value in values)
    assert all(0 <= scales.to_unit(scale, low, high, value) <= 1 for value in values)
    assert (scales.to_unit(scale, low, high, low), scales.to_unit(scale, low, high, high)) == (0, 1)
    assert values == sorted(values)


@pytest.mark.parametrize("scale", scales.SCALES)
def test_equal_bounds_have_one_value_and_the_middle(scale: str) -> None:
    assert {scales.from_unit(scale, 0.3, 0.3, unit) for unit in UNITS} == {0.3}
    assert scales.to_unit(scale, 0.3, 0.3, 0.3) == 0.5


def test_the_middle_of_two_bounds_that_a_logarithm_cannot_tell_apart() -> None:
    low = 1e300
    here = math.nextafter(low, math.inf)
    assert scales.to_unit("log", low, math.nextafter(here, math.inf), here) == 0.5


def test_reverse_log_keeps_the_distance_to_one() -> None:
    """1 - x of the middle between 1 - 1e-4 and 1 - 1e-12 is 1e-8, to the spacing of floats below 1."""
    value = scales.from_unit("reverse_log", 1 - 1e-4, 1 - 1e-12, 0.5)
    assert 1 - value == pytest.approx(1e-8, rel=3e-5)
    assert scales.to_unit("reverse_log", 1 - 1e-4, 1 - 1e-12, value) == pytest.approx(0.5, abs=1e-7)


def test_samples_fall_evenly_over_the_decades() -> None:
    """100,000 draws; a count off by 800 of 25,000 would be six standard deviations."""
    units = np.random.default_rng(0).random(100_000).tolist()
    rates = [scales.from_unit("log", 1e-4, 1, unit) for unit in units]
    decades, _ = np.histogram(np.log10(rates), bins=[-4, -3, -2, -1, 0])
    assert decades.sum() == 100_000 and np.all(np.abs(decades - 25_000) < 800)
    betas = [scales.from_unit("reverse_log", 0.9, 0.999, unit) for unit in units]
    halves, _ = np.histogram(np.log10(1 - np.array(betas)), bins=[-3.0001, -2.5, -2, -1.5, -0.9999])
    assert halves.sum() == 100_000 and np.all(np.abs(halves - 25_000) < 800)


@settings(deadline=None)
@given(st.floats(0, 1))
def test_units_round_trip_where_a_value_can_hold_them(unit: float) -> None:
    for scale, low, high in [("linear", -3, 8), ("log", 1e-4, 1), ("reverse_log", 0.5, 0.999)]:
        value = scales.from_unit(scale, low, high, unit)
        assert scales.to_unit(scale, low, high, value) == pytest.approx(unit, abs=1e-12)
