"""What a solve rate is worth to the proposer: reward shapes, each a pure function of [0, 1].

A shape says how good a task is to learn from, given the rate p at which it is solved. Which one is
used is a setting (`engine.reward_shape`), so that they can be compared. They break, if anywhere, at
multiples of 1/20, where `learnability` cuts its quadrature.

`one_minus`, `inverse` and `lenient` are made for the observed share of a fixed number of attempts.
Given a belief instead, which never puts weight on exactly 0, they pay most for what nobody can
solve; what `one_minus` pays on average is `one_minus_of_8`, and that is safe.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Shape = Callable[[float], float]


def one_minus(p: float) -> float:
    """1 - p, and 0 for a task that nobody solves. AZR (arXiv 2505.03335), equation 4."""
    return 1.0 - p if p > 0.0 else 0.0


def inverse(p: float) -> float:
    """1 - p, also for a task that nobody solves: a pure adversary. AZR's code, as an option."""
    return 1.0 - p


def lenient(p: float) -> float:
    """1 - p / 2: half even for a task that everybody solves. To show what that leads to."""
    return 1.0 - p / 2.0


def one_minus_of_8(p: float) -> float:
    """(1 - p) - (1 - p)^8: the mean of `one_minus` over the share right of 8 attempts (AZR's n).

    The sum of (1 - k/8) C(8, k) p^k (1 - p)^(8 - k) over k from 1 to 8.
    """
    return (1.0 - p) - (1.0 - p) ** 8


def variance(p: float) -> float:
    """4 p (1 - p): the variance of one attempt's verdict, scaled to a peak of 1 at one half."""
    return 4.0 * p * (1.0 - p)


def r_zero(p: float) -> float:
    """1 - 2 |p - 1/2|: a tent with its peak at one half. R-Zero (2508.05004); its code has half."""
    return 1.0 - 2.0 * abs(p - 0.5)


def gasp_lemma(p: float) -> float:
    """[4 p (1 - p)]^5 for p in [0.3, 0.7], else 0: steps within reach. GASP (2603.15957)."""
    return variance(p) ** 5 if 0.3 <= p <= 0.7 else 0.0


def gasp_lift(p: float) -> float:
    """10 p [(1 - p) / 0.9]^9 for p in [0.1, 0.5], else 0: hard and not hopeless. GASP."""
    return 10.0 * p * ((1.0 - p) / 0.9) ** 9 if 0.1 <= p <= 0.5 else 0.0


def gaussian(p: float) -> float:
    """exp(-(p - 1/2)^2 / (2 * 0.2^2)): a bell about one half. Socratic-Zero (2509.24726)."""
    return math.exp(-((p - 0.5) ** 2) / (2.0 * 0.2**2))


@lru_cache(maxsize=64)
def banded(shape: Shape, low: float, high: float) -> Shape:
    """The shape inside of [low, high], 0 outside; equal arguments give the same function."""
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(f"a band is two solve rates, the smaller first, got [{low}, {high}]")

    def inside(p: float) -> float:
        return shape(p) if low <= p <= high else 0.0

    return inside


SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        shape.__name__: shape
        for shape in (
            one_minus,
            inverse,
            lenient,
            one_minus_of_8,
            variance,
            r_zero,
            gasp_lemma,
            gasp_lift,
            gaussian,
        )
    }
)
"""By name, as in `engine.reward_shape`."""

OF_A_SHARE: Final = frozenset({"one_minus", "inverse", "lenient"})
"""Names of the shapes that need the share of a fixed number of attempts."""
