"""Rewards of both roles: the table of the Absolute Zero Reasoner, as pure functions.

Source: arXiv 2505.03335, equations 4 to 6, and the reference implementation's edge cases (a task
that every or no attempt solves earns the proposer the same as a wrong, well-formed answer).
"""

from enum import StrEnum

MALFORMED = -1.0
"""No proposal or answer could be read, or the proposal is not a valid new task."""
WRONG = -0.5
"""Well-formed without success."""
RIGHT = 1.0


class Judgement(StrEnum):
    """What the judge says of a solver's answer."""

    RIGHT = "right"
    WRONG = "wrong"
    MALFORMED = "malformed"
    LOST = "lost"
    """Our failure: the rollout is not scored and leaves its group."""
    VOID = "void"
    """The task's program did not give its gold again: nobody is scored on it."""


def learnability(solve_rate: float) -> float:
    """A proposer's gain: 1 - solve rate, and 0 for a task that nobody or everybody solves."""
    if not 0.0 <= solve_rate <= 1.0:
        raise ValueError(f"a solve rate lies in [0, 1], got {solve_rate}")
    return 1.0 - solve_rate if 0.0 < solve_rate < 1.0 else 0.0


def proposer_reward(*, valid: bool, solve_rate: float) -> float:
    """-1 for what is no valid new task, else the learnability, or -0.5 where that is zero."""
    if not valid:
        return MALFORMED
    return learnability(solve_rate) or WRONG


def solver_reward(judgement: Judgement) -> float:
    """1 right, -0.5 well-formed but wrong, -1 malformed."""
    if judgement in (Judgement.LOST, Judgement.VOID):
        raise ValueError(f"a {judgement} verdict has no reward: it is not the solver's")
    return {
        Judgement.RIGHT: RIGHT,
        Judgement.WRONG: WRONG,
        Judgement.MALFORMED: MALFORMED,
    }[judgement]
