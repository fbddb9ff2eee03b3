"""Reward shapes: their values where they are known, and what all of them have in common."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.play.shapes import (
    OF_A_SHARE,
    SHAPES,
    banded,
    gasp_lemma,
    gasp_lift,
    gaussian,
    inverse,
    lenient,
    one_minus,
    one_minus_of_8,
    r_zero,
    variance,
)

RATES = st.floats(0, 1)
PEAKED_AT_A_HALF = [variance, r_zero, gasp_lemma, gaussian]


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        (one_minus, {0: 0, 0.125: 0.875, 0.5: 0.5, 1: 0}),
        (inverse, {0: 1, 0.125: 0.875, 1: 0}),
        (lenient, {0: 1, 0.5: 0.75, 1: 0.5}),
        (one_minus_of_8, {0: 0, 0.5: 0.5 - 2**-8, 1: 0}),
        (variance, {0: 0, 0.25: 0.75, 0.5: 1, 1: 0}),
        (r_zero, {0: 0, 0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0}),
        (gasp_lemma, {0.29: 0, 0.3: 0.84**5, 0.5: 1, 0.7: 0.84**5, 0.71: 0}),
        (gasp_lift, {0.09: 0, 0.1: 1, 0.5: 5 * (5 / 9) ** 9, 0.51: 0}),
        (gaussian, {0: math.exp(-3.125), 0.3: math.exp(-0.5), 0.5: 1, 1: math.exp(-3.125)}),
    ],
)
def test_a_shape_has_its_sources_values(shape, values):
    for rate, value in values.items():
        assert shape(rate) == pytest.approx(value, abs=1e-12)


def test_a_shape_is_found_by_its_name():
    assert all(SHAPES[shape.__name__] is shape for shape in SHAPES.values())
    assert len(SHAPES) == 9
    assert set(SHAPES) > OF_A_SHARE


@given(st.sampled_from(sorted(SHAPES)), RATES)
def test_every_shape_lies_between_0_and_1_and_pays_no_more_for_a_sure_task_than_a_fair_one(
    name, rate
):
    assert 0.0 <= SHAPES[name](rate) <= 1.0 + 1e-12
    assert SHAPES[name](1.0) <= SHAPES[name](0.5)


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"inverse", "gaussian", "lenient"}))
def test_a_task_that_all_or_none_solve_is_worth_nothing(name):
    assert SHAPES[name](0.0) == SHAPES[name](1.0) == 0.0


@given(st.sampled_from(PEAKED_AT_A_HALF), RATES)
def test_a_shape_about_one_half_has_its_peak_there_and_no_side(shape, rate):
    assert shape(rate) <= shape(0.5) == 1.0
    # 0.3 and 0.7 are no mirror images in floating point, and GASP's lemma jumps there.
    if abs(rate - 0.3) > 1e-9 and abs(rate - 0.7) > 1e-9:
        assert shape(1.0 - rate) == pytest.approx(shape(rate), abs=1e-9)


@given(RATES)
def test_one_minus_of_8_is_the_mean_of_what_one_minus_pays_for_8_attempts(p):
    mean = sum(math.comb(8, k) * p**k * (1 - p) ** (8 - k) * one_minus(k / 8) for k in range(9))
    assert one_minus_of_8(p) == pytest.approx(mean, abs=1e-12)


@given(RATES, RATES, RATES)
def test_a_band_cuts_a_shape_and_changes_nothing_inside(rate, one, other):
    low, high = min(one, other), max(one, other)
    if low == high:
        with pytest.raises(ValueError, match="band"):
            banded(variance, low, high)
        return
    inside = banded(variance, low, high)
    assert inside(rate) == (variance(rate) if low <= rate <= high else 0.0)
    assert banded(variance, low, high) is inside
