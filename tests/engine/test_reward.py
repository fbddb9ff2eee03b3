"""The rewards of both roles, exact in every row of their table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.play.reward import Judgement, learnability, proposer_reward, solver_reward

EIGHTHS = [k / 8 for k in range(9)]


@pytest.mark.parametrize(
    ("judgement", "reward"),
    [(Judgement.RIGHT, 1.0), (Judgement.WRONG, -0.5), (Judgement.MALFORMED, -1.0)],
)
def test_a_solver_earns_what_the_table_says(judgement, reward):
    assert solver_reward(judgement) == reward


def test_a_lost_verdict_has_no_reward():
    with pytest.raises(ValueError, match="lost"):
        solver_reward(Judgement.LOST)


@pytest.mark.parametrize(
    ("solve_rate", "reward"),
    list(zip(EIGHTHS, [-0.5, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, -0.5], strict=True)),
)
def test_a_valid_proposal_earns_what_the_table_says(solve_rate, reward):
    assert proposer_reward(valid=True, solve_rate=solve_rate) == reward


@pytest.mark.parametrize("solve_rate", EIGHTHS)
def test_an_invalid_proposal_earns_the_least_whatever_its_solve_rate(solve_rate):
    assert proposer_reward(valid=False, solve_rate=solve_rate) == -1.0


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.floats(0, 1))
def test_a_task_that_some_attempts_solve_beats_one_that_all_or_none_solve(some, other):
    assert learnability(some) == 1.0 - some
    assert learnability(0.0) == learnability(1.0) == 0.0
    assert -1.0 <= proposer_reward(valid=True, solve_rate=other) <= 1.0
    # At one ulp below 1 nothing is left of the gain but it is never less than a sure task's.
    assert proposer_reward(valid=True, solve_rate=some) > proposer_reward(
        valid=True, solve_rate=1.0
    )


@given(st.floats().filter(lambda rate: not 0.0 <= rate <= 1.0))
def test_what_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match="solve rate"):
        learnability(rate)
