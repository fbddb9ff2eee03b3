"""The rewards of both roles, exact in every row of their table; the shapes; the belief."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import EngineConfig, Estimate
from engine.play.learnability import Belief, attempts_wanted, is_decided
from engine.play.reward import Judgement, proposer_reward, solver_reward
from engine.play.shapes import SHAPES, inverse, one_minus

EIGHTHS = [k / 8 for k in range(9)]
RATES = st.floats(0, 1)


# -- the table of the paper


@pytest.mark.parametrize(
    ("judgement", "well_formed", "reward"),
    [
        (Judgement.RIGHT, True, 1.0),
        (Judgement.WRONG, True, -0.5),
        (Judgement.MALFORMED, True, -1.0),
        (Judgement.RIGHT, False, -1.0),
        (Judgement.WRONG, False, -1.0),
    ],
)
def test_t1_a_solver_earns_what_the_table_says(judgement, well_formed, reward):
    assert solver_reward(judgement, well_formed=well_formed) == reward


@pytest.mark.parametrize(
    ("solve_rate", "reward"),
    list(zip(EIGHTHS, [-0.5, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, -0.5], strict=True)),
)
def test_t1_a_valid_proposal_earns_what_the_table_says(solve_rate, reward):
    assert proposer_reward(one_minus(solve_rate)) == reward


def test_t1_an_invalid_proposal_earns_the_penalty():
    assert proposer_reward(None) == -1.0
    assert proposer_reward(None, invalid=-0.1) == -0.1


@pytest.mark.parametrize("judgement", [Judgement.LOST, Judgement.VOID])
def test_our_failure_has_no_reward(judgement):
    with pytest.raises(ValueError, match=judgement):
        solver_reward(judgement)


# -- shapes


@given(st.sampled_from(sorted(SHAPES)), RATES)
def test_a_shape_is_a_share_of_the_best(name, rate):
    assert 0.0 <= SHAPES[name](rate) <= 1.0 + 1e-12


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"inverse", "gaussian"}))
def test_a_task_that_all_or_none_solve_is_worth_nothing(name):
    assert SHAPES[name](0.0) == SHAPES[name](1.0) == 0.0


@pytest.mark.parametrize(
    ("name", "rate", "worth"),
    [
        ("one_minus", 0.25, 0.75),
        ("inverse", 0.0, 1.0),
        ("variance", 0.5, 1.0),
        ("variance", 0.25, 0.75),
        ("r_zero", 0.5, 1.0),
        ("r_zero", 0.25, 0.5),
        ("gasp_lemma", 0.5, 1.0),
        ("gasp_lemma", 0.29, 0.0),
        ("gasp_lift", 0.1, 1.0),
        ("gasp_lift", 0.51, 0.0),
        ("gaussian", 0.5, 1.0),
    ],
)
def test_a_shape_is_what_its_source_says(name, rate, worth):
    assert SHAPES[name](rate) == pytest.approx(worth)


def test_a_shape_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"one_minus.*variance"):
        EngineConfig(reward_shape="peaked")


# -- the belief

BELIEFS = st.builds(
    Belief, st.integers(0, 40), st.integers(0, 40), st.floats(1, 4), st.floats(1, 4)
)


def moments(belief: Belief) -> tuple[float, float]:
    """E[p] and E[p (1 - p)] of a Beta distribution, exactly."""
    a, b = belief.alpha + belief.successes, belief.beta + belief.failures
    return a / (a + b), a * b / ((a + b) * (a + b + 1))


@given(BELIEFS)
def test_an_expectation_is_that_of_the_beta_distribution(belief):
    mean, spread = moments(belief)
    assert belief.mean == mean
    assert belief.expectation(inverse) == pytest.approx(1 - mean, abs=1e-5)
    assert belief.expectation(SHAPES["variance"]) == pytest.approx(4 * spread, abs=1e-5)


@given(st.integers(0, 30), RATES)
def test_the_probability_below_a_rate_is_that_of_the_beta_distribution(failures, rate):
    # Beta(1, 1 + f) has the distribution function 1 - (1 - p)^(1 + f).
    exact = 1.0 - (1.0 - rate) ** (1 + failures)
    assert Belief(0, failures).between(0.0, rate) == pytest.approx(exact, abs=1e-5)


@given(BELIEFS, st.floats(0.1, 0.99))
def test_a_credible_interval_holds_its_probability(belief, confidence):
    low, high = belief.interval(confidence)
    assert 0.0 <= low < high <= 1.0
    assert belief.between(low, high) == pytest.approx(confidence, abs=1e-6)


@given(BELIEFS)
def test_a_right_answer_more_never_lowers_the_rate_that_is_expected(belief):
    more = Belief(belief.successes + 1, belief.failures, belief.alpha, belief.beta)
    assert more.mean > belief.mean
    assert all(
        high >= low for high, low in zip(more.interval(0.9), belief.interval(0.9), strict=True)
    )


def test_none_right_of_eight_is_no_cliff():
    variance = SHAPES["variance"]
    paid = [Belief(right, 8 - right).expectation(variance) for right in range(9)]
    assert paid[0] > 0.3
    assert paid == pytest.approx(paid[::-1])
    assert paid[:5] == sorted(paid[:5])
    assert max(np.diff(paid[:5])) < 0.3


# -- stages

STAGES = st.lists(st.integers(1, 32), min_size=1, max_size=5, unique=True).map(sorted)


@given(STAGES, st.floats(0.05, 0.45), st.floats(0.55, 0.95), st.floats(0.5, 0.95), st.data())
def test_attempts_stop_when_decided_and_at_the_last_stage_at_latest(
    stages, low, high, confidence, data
):
    right = made = 0
    while True:
        belief = Belief(right, made - right)
        wanted = attempts_wanted(belief, stages=stages, band=(low, high), confidence=confidence)
        if not wanted:
            break
        assert made + wanted in stages
        assert made == 0 or not is_decided(belief, (low, high), confidence)
        right += data.draw(st.integers(0, wanted))
        made += wanted
    assert made == stages[-1] or is_decided(Belief(right, made - right), (low, high), confidence)
    assert made >= stages[0], "no task is judged without an attempt"


def test_by_default_a_fair_task_takes_half_of_the_attempts_that_eight_would():
    """Exact: every path of outcomes, weighted by its probability, for p = 1/2 and p = 0."""
    config = EngineConfig(estimate=Estimate.ADAPTIVE)

    def expected(p: float, right: int = 0, made: int = 0) -> float:
        belief = Belief(right, made - right)
        wanted = attempts_wanted(
            belief, stages=config.stages, band=config.band, confidence=config.confidence
        )
        if not wanted:
            return made
        return sum(
            math.comb(wanted, k)
            * p**k
            * (1 - p) ** (wanted - k)
            * expected(p, right + k, made + wanted)
            for k in range(wanted + 1)
        )

    assert expected(0.5) < 4.0
    assert expected(0.0) == expected(1.0) == 8.0
    assert max(expected(p / 20) for p in range(21)) < 8.5
