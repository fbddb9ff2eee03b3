"""What a solve rate is worth to the proposer: reward shapes, each a pure function of [0, 1].

A shape says how good a task is for learning, given the share p of attempts that solve it. Which one
is used is a setting (`engine.reward_shape`), so that they can be compared.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

Shape = Callable[[float], float]


def one_minus(p: float) -> float:
    """1 - p, and 0 for a task that nobody solves. AZR (arXiv 2505.03335), equation 4."""
    return 1.0 - p if p > 0.0 else 0.0


def inverse(p: float) -> float:
    """1 - p, also for a task that nobody solves: a pure adversary. AZR's code, option `inverse`."""
    return 1.0 - p


def variance(p: float) -> float:
    """4 p (1 - p): the variance of one attempt's verdict, with its peak of 1 at one half."""
    return 4.0 * p * (1.0 - p)


def r_zero(p: float) -> float:
    """1 - 2 |p - 1/2|: a tent with its peak at one half. R-Zero (arXiv 2508.05004)."""
    return 1.0 - 2.0 * abs(p - 0.5)


def gasp_lemma(p: float) -> float:
    """[4 p (1 - p)]^5 for p in [0.3, 0.7], else 0: steps that can be learned. GASP (2603.15957)."""
    return variance(p) ** 5 if 0.3 <= p <= 0.7 else 0.0


def gasp_lift(p: float) -> float:
    """10 p [(1 - p) / 0.9]^9 for p in [0.1, 0.5], else 0: hard and not hopeless. GASP."""
    return 10.0 * p * ((1.0 - p) / 0.9) ** 9 if 0.1 <= p <= 0.5 else 0.0


def gaussian(p: float) -> float:
    """exp(-(p - 1/2)^2 / (2 0.2^2)): a bell about one half, as in Socratic-Zero (2509.24726)."""
    return math.exp(-((p - 0.5) ** 2) / (2 * 0.2**2))


SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        shape.__name__: shape
        for shape in (one_minus, inverse, variance, r_zero, gasp_lemma, gasp_lift, gaussian)
    }
)
