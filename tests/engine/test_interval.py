"""Intervals of proportions, against values worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluate.interval import Z, ratio, wilson

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # z = 1.96, z^2 = 3.8416. 5 of 10: centre 1/2, half = z sqrt(1/40 + z^2/400) / (1 + z^2/10)
        (5, 10, 0.236593, 0.763407),
        # 0 of n: low 0, high = z^2 / (n + z^2)
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (0, 64, 0.0, 0.056626),
        (1, 1, 0.206549, 1.0),
    ],
)
def test_wilson_gives_the_values_worked_out_by_hand(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=2e-5)


@given(COUNTS)
def test_a_wilson_interval_lies_in_0_to_1_and_contains_the_rate(count):
    successes, trials = count
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= high <= 1.0
    assert low - 1e-12 <= successes / trials <= high + 1e-12


@given(COUNTS)
def test_a_wilson_interval_is_mirrored_when_failures_are_counted(count):
    successes, trials = count
    low, high = wilson(successes, trials)
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@given(COUNTS, st.integers(2, 50))
def test_more_trials_at_the_same_rate_narrow_the_interval(count, times):
    successes, trials = count
    few, many = wilson(successes, trials), wilson(successes * times, trials * times)
    assert many[1] - many[0] < few[1] - few[0]


def test_without_trials_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


def test_ratio_gives_the_values_worked_out_by_hand():
    # 30/100 against 15/100: quotient 2, variance of the log 0.7/30 + 0.85/15 = 0.08
    quotient, (low, high) = ratio((30, 100), (15, 100))
    assert quotient == pytest.approx(2.0)
    assert low == pytest.approx(2 / math.exp(1.959964 * math.sqrt(0.08)))
    assert (low, high) == pytest.approx((1.1489, 3.4816), abs=1e-4)


POSITIVE = COUNTS.filter(lambda count: count[0] > 0)


@given(POSITIVE, POSITIVE)
def test_a_ratio_lies_in_its_interval_which_turns_over_with_it(after, before):
    quotient, (low, high) = ratio(after, before)
    assert 0 < low <= quotient <= high
    assert quotient == pytest.approx((after[0] / after[1]) / (before[0] / before[1]))
    inverse, (inverse_low, inverse_high) = ratio(before, after)
    assert inverse == pytest.approx(1 / quotient)
    assert (inverse_low, inverse_high) == pytest.approx((1 / high, 1 / low))


@pytest.mark.parametrize(
    ("after", "before"), [((0, 5), (1, 5)), ((1, 5), (0, 5)), ((0, 0), (0, 0))]
)
def test_a_ratio_with_a_zero_count_has_no_interval(after, before):
    assert ratio(after, before) is None


def test_the_level_is_95_percent():
    assert math.erf(Z / math.sqrt(2)) == pytest.approx(0.95, abs=1e-6)
