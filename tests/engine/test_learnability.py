"""Beliefs about solve rates: against exact fractions, and as a rule for when to stop."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.learnability import outcomes
from engine.config import EngineConfig
from engine.play.beta import cumulative, quantile
from engine.play.learnability import (
    STAGES,
    Belief,
    attempts_wanted,
    expected_change,
    is_decided,
)
from engine.play.shapes import (
    OF_A_SHARE,
    SHAPES,
    banded,
    gasp_lift,
    inverse,
    one_minus,
    one_minus_of_8,
    r_zero,
    variance,
)

COUNTS = st.integers(0, 64)
BELIEFS = st.builds(Belief, COUNTS, COUNTS)
PRIORS = st.floats(1, 4)
SMALL = st.builds(Belief, st.integers(0, 8), st.integers(0, 8))
RATES = st.floats(0, 1)
CONFIDENCES = st.floats(0.05, 0.99)
STAGINGS = st.lists(st.integers(1, 24), min_size=1, max_size=5, unique=True).map(
    lambda stages: tuple(sorted(stages))
)
BANDS = st.sampled_from([(0.2, 0.8), (0.1, 0.9), (0.3, 0.7), (0.0, 1.0), (0.0, 0.5)])
TWENTIETHS = st.fractions(0, 1, max_denominator=20)


def tail(x, a, n):
    """P(at least a of n are right at rate x), exactly."""
    return sum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))


# -- the Beta distribution


@given(st.fractions(0, 1, max_denominator=64), st.integers(1, 40), st.integers(1, 40))
def test_the_incomplete_beta_function_is_a_binomial_tail(x, a, b):
    """I_x(a, b) = P(at least a of a + b - 1), DLMF 8.17.5; in fractions, so nothing is rounded."""
    exact = float(tail(x, a, a + b - 1))
    assert cumulative(float(x), a, b) == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.5, 0.5, 0.5, 0.5),
        (0.25, 0.5, 0.5, 1 / 3),  # the arcsine law: 2/pi asin sqrt x
        (0.3, 2.5, 1.0, 0.3**2.5),  # I_x(a, 1) = x^a
        (0.3, 1.0, 2.5, 1 - 0.7**2.5),  # I_x(1, b) = 1 - (1 - x)^b
        (0.5, 300.0, 300.0, 0.5),
    ],
)
def test_the_incomplete_beta_function_has_its_known_values(x, a, b, expected):
    assert cumulative(x, a, b) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(1, 40), st.integers(1, 40))
def test_a_quantile_is_where_the_cumulated_probability_is_reached(share, a, b):
    x = quantile(share, a, b)
    assert 0.0 < x <= 1.0
    assert cumulative(x, a, b) >= share - 1e-12
    assert cumulative(math.nextafter(x, 0.0), a, b) <= share + 1e-12


# -- beliefs


@given(BELIEFS)
def test_the_mean_is_laplaces_rule(belief):
    exact = Fraction(belief.successes + 1, belief.num_attempts + 2)
    assert belief.mean == float(exact)
    assert belief.expectation(lambda p: p) == pytest.approx(belief.mean, abs=1e-12)
    assert belief.expectation(lambda _: 1.0) == pytest.approx(1.0, abs=1e-12)


@given(BELIEFS, st.integers(0, 12))
def test_the_expectation_of_a_polynomial_is_exact(belief, power):
    """E[p^k] = product of (a + i) / (a + b + i) for i below k."""
    a, n = belief.successes + 1, belief.num_attempts + 2
    exact = math.prod((Fraction(a + i, n + i) for i in range(power)), start=Fraction(1))
    assert belief.expectation(lambda p: p**power) == pytest.approx(float(exact), rel=1e-11)


@given(BELIEFS)
def test_the_expectation_of_a_shape_with_a_kink_or_a_jump_is_exact_too(belief):
    a, b = belief.parameters
    lower = cumulative(0.5, a + 1, b) * belief.mean  # of p below one half
    tent = 2 * (lower + (1 - belief.mean) - (cumulative(0.5, a, b) - lower))
    assert belief.expectation(r_zero) == pytest.approx(tent, abs=1e-11)
    step = banded(lambda _: 1.0, 0.123, 0.77)
    inside = belief.between(0.123, 0.77)
    assert belief.expectation(step, breaks=(0.123, 0.77)) == pytest.approx(inside, abs=1e-11)


@given(st.builds(Belief, COUNTS, COUNTS, PRIORS, PRIORS))
def test_an_expectation_under_any_prior_is_that_of_the_beta_distribution(belief):
    a, b = belief.parameters
    assert belief.expectation(inverse) == pytest.approx(b / (a + b), abs=1e-6)
    spread = a * b / ((a + b) * (a + b + 1))
    assert belief.expectation(variance) == pytest.approx(4 * spread, abs=1e-6)


@given(BELIEFS, st.sampled_from(sorted(SHAPES)))
def test_an_expected_worth_lies_between_the_least_and_the_most(belief, name):
    assert -1e-12 <= belief.expectation(SHAPES[name]) <= 1.0 + 1e-12


@given(BELIEFS, CONFIDENCES)
def test_a_credible_interval_holds_its_share_and_leaves_as_much_on_either_side(belief, confidence):
    low, high = belief.interval(confidence)
    assert 0.0 <= low < high <= 1.0
    rest = (1 - confidence) / 2
    assert belief.below(low) == pytest.approx(rest, abs=1e-9)
    assert 1.0 - belief.below(high) == pytest.approx(rest, abs=1e-9)


@given(BELIEFS, CONFIDENCES, CONFIDENCES)
def test_to_be_surer_the_interval_must_be_wider(belief, one, other):
    low, high = belief.interval(max(one, other))
    inner_low, inner_high = belief.interval(min(one, other))
    assert low <= inner_low <= inner_high <= high


@given(BELIEFS)
def test_a_right_answer_more_never_lowers_the_rate_that_is_expected(belief):
    more = belief.after(1, 0)
    assert more.mean > belief.mean
    assert all(
        high >= low for high, low in zip(more.interval(0.9), belief.interval(0.9), strict=True)
    )


@given(BELIEFS, TWENTIETHS, TWENTIETHS)
def test_the_places_of_a_solve_rate_have_their_exact_probabilities(belief, one, other):
    low, high = min(one, other), max(one, other)
    a, n = belief.successes + 1, belief.num_attempts + 1
    exact = [
        float(each)
        for each in (tail(low, a, n), tail(high, a, n) - tail(low, a, n), 1 - tail(high, a, n))
    ]
    band = (float(low), float(high))
    assert belief.places(band) == pytest.approx(exact, abs=1e-12)
    for confidence in (0.5, 0.7, 0.9):
        if abs(max(exact) - confidence) > 1e-9:
            assert is_decided(belief, band, confidence) is (max(exact) > confidence)


@given(BELIEFS, BANDS, CONFIDENCES)
def test_a_belief_is_decided_when_its_interval_does_not_cross_the_bands_edges(
    belief, band, confidence
):
    low, high = belief.interval(confidence)
    if band[0] <= low and high <= band[1]:
        assert is_decided(belief, band, confidence - 1e-9)
    if high <= band[0] or band[1] <= low:
        assert is_decided(belief, band, (1 + confidence) / 2 - 1e-9)


@pytest.mark.parametrize("counts", [(-1, 0), (0, -1), (0, 0, 0.5, 1.0), (0, 0, 1.0, 0.0)])
def test_what_is_no_belief_is_refused(counts):
    with pytest.raises(ValueError, match="belief"):
        Belief(*counts)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_what_is_no_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        Belief(1, 1).interval(confidence)


# -- the cliff


def test_none_right_of_eight_is_no_cliff():
    """The share pays -1/2 for 0 of 8 and 7/8 for 1 of 8; the belief pays 0.37 and 0.54."""
    none, one = (Belief(k, 8 - k).expectation(one_minus_of_8) for k in (0, 1))
    assert none == pytest.approx(9 / 10 - 9 / 17)
    assert one == pytest.approx(8 / 10 - (8 * 9) / (16 * 17))
    paid = [Belief(right, 8 - right).expectation(variance) for right in range(9)]
    assert paid == pytest.approx(paid[::-1])
    assert paid[:5] == sorted(paid[:5])
    assert max(np.diff(paid[:5])) < 0.3


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"gasp_lift"}))
def test_a_belief_pays_less_the_longer_nobody_solves_a_task_but_for_shapes_of_a_share(name):
    worths = [Belief(0, n).expectation(SHAPES[name]) for n in (2, 4, 8, 16, 32)]
    falling = worths == sorted(worths, reverse=True)
    assert falling is (name not in OF_A_SHARE)


def test_gasps_lift_peaks_at_one_in_ten_so_a_few_failures_raise_it_and_many_do_not():
    few, some, many = (Belief(0, n).expectation(gasp_lift) for n in (1, 6, 64))
    assert many < few < some


def test_under_a_belief_one_minus_is_no_different_from_the_adversarys():
    for belief in (Belief(0, 8), Belief(0, 64), Belief(3, 5)):
        assert belief.expectation(one_minus) == pytest.approx(1.0 - belief.mean, abs=1e-12)


# -- when to stop


@given(SMALL, STAGINGS, BANDS, CONFIDENCES)
def test_what_is_wanted_ends_a_stage_and_never_goes_beyond_the_last(
    belief, stages, band, confidence
):
    wanted = attempts_wanted(belief, stages=stages, band=band, confidence=confidence)
    assert wanted == 0 or belief.num_attempts + wanted in stages
    assert wanted == attempts_wanted(belief, stages=stages, band=band, confidence=confidence)
    if belief.num_attempts >= stages[-1]:
        assert wanted == 0
    elif belief.num_attempts:
        assert (wanted == 0) is is_decided(belief, band, confidence)


@given(STAGINGS, BANDS, CONFIDENCES)
def test_the_first_stage_is_always_played(stages, band, confidence):
    wanted = attempts_wanted(
        Belief(0, 0), stages=stages, band=band, confidence=confidence, shape=variance, tolerance=9.0
    )
    assert wanted == stages[0]


@given(SMALL, BANDS, CONFIDENCES, CONFIDENCES, st.floats(0, 0.2), st.floats(0, 0.2))
def test_who_wants_to_be_surer_never_stops_earlier(belief, band, one, other, coarse, fine):
    def wanted(confidence, tolerance):
        return attempts_wanted(
            belief, band=band, confidence=confidence, shape=variance, tolerance=tolerance
        )

    lax = wanted(min(one, other), max(coarse, fine))
    assert wanted(max(one, other), min(coarse, fine)) >= lax


@given(RATES, BANDS, CONFIDENCES)
def test_sampling_ends_whatever_comes(rate, band, confidence):
    wanted = partial(attempts_wanted, band=band, confidence=confidence)
    ends = list(outcomes(wanted, rate))
    assert sum(odds for odds, _ in ends) == pytest.approx(1.0)
    assert {belief.num_attempts for _, belief in ends} <= set(STAGES)


@given(SMALL, st.integers(0, 16), st.sampled_from(sorted(SHAPES)))
def test_the_change_to_expect_is_a_mean_of_what_beliefs_later_say(belief, attempts, name):
    change = expected_change(belief, attempts, SHAPES[name])
    assert 0.0 <= change <= 1.0
    if attempts == 0:
        assert change == 0.0


@given(SMALL, st.integers(0, 12))
def test_the_change_to_expect_grows_with_the_attempts(belief, attempts):
    """The expected worth is a martingale, so the mean of its moves' size never falls."""
    fewer = expected_change(belief, attempts, variance)
    assert expected_change(belief, attempts + 1, variance) >= fewer - 1e-9


def test_attempts_that_would_change_little_are_spared():
    surely = Belief(8, 0)
    assert attempts_wanted(surely, confidence=0.9) == 8
    assert attempts_wanted(surely, confidence=0.9, shape=variance, tolerance=0.2) == 0
    assert attempts_wanted(surely, confidence=0.9, shape=variance, tolerance=0.01) == 8


def test_by_default_a_fair_task_takes_half_of_the_attempts_that_eight_would():
    config = EngineConfig()
    wanted = partial(
        attempts_wanted, stages=config.stages, band=config.band, confidence=config.confidence
    )

    def expected(rate):
        return sum(odds * belief.num_attempts for odds, belief in outcomes(wanted, rate))

    assert expected(0.5) < 4.0
    assert expected(0.0) == expected(1.0) == 8.0
    assert max(expected(p / 20) for p in range(21)) < 8.5
