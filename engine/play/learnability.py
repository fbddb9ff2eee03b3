"""How well is a task's solve rate known, and is another attempt worth its tokens?

The belief about a solve rate p after s right and f wrong answers is Beta(a + s, b + f). Attempts
are sampled in stages, and stop when the belief is decided: p lies in the band of what is worth
having, or on one side of it, with the wanted probability. A proposer is paid the *expected* worth
of its task under the belief, so none right of eight is not the cliff that a bare share makes of it.

With the defaults a task that half of the attempts solve takes 3.6 of them on average and one that
none or all solve takes 8; whether both outcomes are seen is as likely as with a fixed 8.

Source of the posterior: any text on Bayesian inference of a proportion; of the staged sampling: our
own, after Wald's sequential test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRID: Final = 4096
"""Cells of [0, 1] over which a density is summed: its error is below 1e-5 for up to 64 attempts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of a solve rate: Beta(alpha + successes, beta + failures)."""

    successes: int
    failures: int
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        if min(self.successes, self.failures) < 0 or min(self.alpha, self.beta) < 1.0:
            raise ValueError(
                f"a belief counts from 0 on, with a prior of at least 1 and 1, got {self}"
            )

    @property
    def num_attempts(self) -> int:
        """Right and wrong answers."""
        return self.successes + self.failures

    @property
    def mean(self) -> float:
        """The expected solve rate, exactly."""
        a, b = self.alpha + self.successes, self.beta + self.failures
        return a / (a + b)

    def between(self, low: float, high: float) -> float:
        """The probability that the solve rate lies in [low, high]."""
        marks, cumulated = _distribution(self)
        below_low, below_high = np.interp([low, high], marks, cumulated)
        return float(below_high - below_low)

    def interval(self, confidence: float) -> tuple[float, float]:
        """The central credible interval of this probability."""
        marks, cumulated = _distribution(self)
        tail = (1.0 - confidence) / 2
        low, high = np.interp([tail, 1.0 - tail], cumulated, marks)
        return float(low), float(high)

    def expectation(self, shape: Callable[[float], float]) -> float:
        """The expected worth of a task, for a function of its solve rate."""
        return float(np.dot(_density(self), _values(shape)))


def attempts_wanted(
    belief: Belief,
    *,
    stages: Sequence[int] = (2, 4, 8, 16),
    band: tuple[float, float] = (0.2, 0.8),
    confidence: float = 0.7,
) -> int:
    """How many more attempts to make now; 0: enough is known, or the last stage is over.

    `stages` are numbers of attempts in all. The belief is decided when the solve rate lies inside
    of the band, below it or above it with probability `confidence`.
    """
    following = next((stage for stage in stages if stage > belief.num_attempts), None)
    if following is None or (belief.num_attempts and is_decided(belief, band, confidence)):
        return 0
    return following - belief.num_attempts


def is_decided(belief: Belief, band: tuple[float, float], confidence: float) -> bool:
    """Whether it is known well enough on which side of the band's edges the solve rate is."""
    low, high = band
    inside = belief.between(low, high)
    below = belief.between(0.0, low)
    return max(inside, below, 1.0 - inside - below) >= confidence


@lru_cache(maxsize=1024)
def _density(belief: Belief) -> Floats:
    """The probability of each cell of the grid."""
    points = (np.arange(GRID) + 0.5) / GRID
    a, b = belief.alpha + belief.successes, belief.beta + belief.failures
    logs = (a - 1.0) * np.log(points) + (b - 1.0) * np.log1p(-points)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()  # type: ignore[no-any-return]


def _distribution(belief: Belief) -> tuple[Floats, Floats]:
    """The grid's edges and the probability below each."""
    return np.linspace(0.0, 1.0, GRID + 1), np.concatenate([[0.0], np.cumsum(_density(belief))])


@lru_cache(maxsize=64)
def _values(shape: Callable[[float], float]) -> Floats:
    """A shape at the midpoint of each cell."""
    return np.array([shape((index + 0.5) / GRID) for index in range(GRID)])
