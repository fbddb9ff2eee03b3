"""Rewards of both roles: the table of the Absolute Zero Reasoner, as pure functions.

Source: arXiv 2505.03335, equations 4 to 6, and the reference implementation's edge cases (a task
that every or no attempt solves earns the proposer the same as a wrong, well-formed answer; a broken
outer format costs as much as no answer at all). What a solve rate is worth: `shapes`.
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


def proposer_reward(worth: float | None, *, invalid: float = MALFORMED) -> float:
    """What a proposal earns: the worth of its task, or the penalty if it is no valid new task.

    A task of no worth earns as much as a wrong, well-formed answer.
    """
    if worth is None:
        return invalid
    return worth if worth > 0.0 else WRONG


def solver_reward(judgement: Judgement, *, well_formed: bool = True) -> float:
    """1 right, -0.5 well-formed but wrong, -1 malformed, whatever the answer."""
    if judgement in (Judgement.LOST, Judgement.VOID):
        raise ValueError(f"a {judgement} verdict has no reward: it is not the solver's")
    if not well_formed or judgement is Judgement.MALFORMED:
        return MALFORMED
    return RIGHT if judgement is Judgement.RIGHT else WRONG
