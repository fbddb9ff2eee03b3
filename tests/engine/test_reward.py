"""The rewards of both roles, exact in every row of their table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.choices import Estimate
from engine.config import ConfigError, EngineConfig
from engine.play.reward import (
    Judgement,
    proposer_reward,
    solver_reward,
)
from engine.play.shapes import OF_A_SHARE, SHAPES, inverse, one_minus

EIGHTHS = [k / 8 for k in range(9)]
SHARES = st.floats(0, 1)


# -- T1: the table, all rows


@pytest.mark.parametrize(
    ("well_formed", "judgement", "reward"),
    [
        (False, Judgement.RIGHT, -1.0),
        (False, Judgement.WRONG, -1.0),
        (False, Judgement.MALFORMED, -1.0),
        (True, Judgement.MALFORMED, -1.0),
        (True, Judgement.WRONG, -0.5),
        (True, Judgement.RIGHT, 1.0),
    ],
)
def test_t01_a_solver_earns_what_the_table_says(well_formed, judgement, reward):
    assert solver_reward(judgement, well_formed=well_formed) == reward


@pytest.mark.parametrize(
    ("matched", "reward"), [(0.0, -0.5), (0.2, 0.2), (0.6, 0.6), (0.8, 0.8), (1.0, 1.0)]
)
def test_t01_a_program_may_be_paid_by_the_share_of_examples_that_it_matches(matched, reward):
    judgement = Judgement.RIGHT if matched == 1.0 else Judgement.WRONG
    assert solver_reward(judgement, matched=matched) == reward
    assert solver_reward(judgement, matched=matched, well_formed=False) == -1.0
    assert solver_reward(Judgement.MALFORMED, matched=matched) == -1.0


@pytest.mark.parametrize("judgement", [Judgement.LOST, Judgement.VOID])
def test_t01_a_verdict_that_is_not_the_solvers_has_no_reward(judgement):
    with pytest.raises(ValueError, match=judgement.value):
        solver_reward(judgement)


@pytest.mark.parametrize(
    ("solve_rate", "reward"),
    list(zip(EIGHTHS, [-0.5, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, -0.5], strict=True)),
)
def test_t01_a_valid_proposal_earns_what_the_table_says(solve_rate, reward):
    assert proposer_reward(one_minus(solve_rate)) == reward


@pytest.mark.parametrize(
    ("solve_rate", "reward"),
    list(zip(EIGHTHS, [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, -0.5], strict=True)),
)
def test_t01_a_pure_adversary_is_also_paid_for_what_nobody_solves(solve_rate, reward):
    assert proposer_reward(inverse(solve_rate)) == reward


def test_t01_what_is_no_valid_new_task_earns_the_penalty():
    assert proposer_reward(None) == -1.0
    assert proposer_reward(None, invalid=0.0) == 0.0


@pytest.mark.parametrize("solve_rate", EIGHTHS)
def test_t01_an_ill_formed_proposal_earns_the_least_whatever_its_task_is_worth(solve_rate):
    assert proposer_reward(one_minus(solve_rate), well_formed=False) == -1.0
    assert proposer_reward(None, well_formed=False, invalid=0.0) == -1.0


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), SHARES)
def test_a_task_that_some_attempts_solve_beats_one_that_all_or_none_solve(some, other):
    assert -1.0 <= proposer_reward(one_minus(other)) <= 1.0
    # At one ulp below 1 nothing is left of the gain but it is never less than a sure task's.
    assert proposer_reward(one_minus(some)) > proposer_reward(one_minus(1.0))
    assert proposer_reward(one_minus(0.0)) == proposer_reward(one_minus(1.0))


# -- settings


def test_a_shape_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"one_minus.*variance"):
        EngineConfig(reward_shape="peaked")


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_shape_of_a_share_is_refused_where_a_belief_would_be_paid(name):
    assert EngineConfig(reward_shape=name).estimate is Estimate.FIXED
    if name in OF_A_SHARE:
        with pytest.raises(ConfigError, match=r"nobody can solve.*one_minus_of_8"):
            EngineConfig(reward_shape=name, estimate=Estimate.ADAPTIVE)
    else:
        EngineConfig(reward_shape=name, estimate=Estimate.ADAPTIVE)
