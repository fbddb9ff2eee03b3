"""Rewards of both roles: the table of the Absolute Zero Reasoner, as pure functions.

Proposer, of a proposal that is

    ill-formed (outer format broken, whatever is inside)         -1
    well-formed, but no valid new task                           -1, or as configured
    a task of no worth (nobody solves it, everybody does)        -1/2
    a task of some worth                                         its worth, in (0, 1]

Solver, of an answer that is

    ill-formed, or cannot be read                                -1
    well-formed, wrong or failing                                -1/2
    right                                                        1, or the share of examples matched

What a solve rate is worth is a matter of `shapes`.

Source: arXiv 2505.03335, equations 4 to 6, and the reference implementation's edge cases, but for
one: there, an ill-formed proposal of a valid program is punished and still enters the task memory.
Here it does not (`propose`).
"""

from enum import StrEnum

MALFORMED = -1.0
"""The outer format is broken, or nothing could be read."""
INVALID = -1.0
"""A proposal is no valid new task. 0 has been seen to keep a proposer alive (arXiv 2510.18821)."""
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


def proposer_reward(
    worth: float | None, *, well_formed: bool = True, invalid: float = INVALID
) -> float:
    """What a proposal earns; `worth` is its task's, None for what is no valid new task."""
    if not well_formed:
        return MALFORMED
    if worth is None:
        return invalid
    return worth if worth > 0.0 else WRONG


def solver_reward(
    judgement: Judgement, *, well_formed: bool = True, matched: float | None = None
) -> float:
    """What an answer earns.

    `matched` is the share of hidden examples that a program gives right, where that share is paid
    (induction, as an option); None where all or nothing counts.
    """
    if judgement in (Judgement.LOST, Judgement.VOID):
        raise ValueError(f"a {judgement} verdict has no reward: it is not the solver's")
    if not well_formed or judgement is Judgement.MALFORMED:
        return MALFORMED
    if matched is None:
        return RIGHT if judgement is Judgement.RIGHT else WRONG
    return matched if matched > 0.0 else WRONG
