"""How well is a task's solve rate known, and is another attempt worth its tokens?

The belief about a solve rate after s right and f wrong answers is Beta(alpha + s, beta + f).
Attempts are sampled in stages, and stop when the belief is decided: a credible interval fits inside
of the band of rates worth having, or on one side of it; or when what is still to come would hardly
change the reward. A proposer is paid the *expected* worth of its task under the belief, so that
none right of eight, which befalls a task with p = 0.02 in 85 cases of 100, is no cliff.

Source of the posterior: any text on Bayesian inference of a proportion. The staged sampling is our
own, after Wald's sequential tests; `python -m benchmarks.learnability` prints what it costs and how
often it errs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.play.beta import cumulative, log_beta, quantile
from engine.play.shapes import Shape

Floats = NDArray[np.float64]

STAGES: Final = (2, 4, 8, 16)
BAND: Final = (0.2, 0.8)
CONFIDENCE: Final = 0.7

_PANELS: Final = 20
_NODES: Final = 16
"""Gauss-Legendre nodes of a panel: exact for polynomials up to degree 31 on each."""


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
    def parameters(self) -> tuple[float, float]:
        """Those of the Beta distribution."""
        return self.alpha + self.successes, self.beta + self.failures

    @property
    def mean(self) -> float:
        """The expected solve rate, exactly."""
        a, b = self.parameters
        return a / (a + b)

    def after(self, successes: int, failures: int) -> "Belief":
        """The belief once these attempts are known as well."""
        return Belief(self.successes + successes, self.failures + failures, self.alpha, self.beta)

    def below(self, rate: float) -> float:
        """The probability that the solve rate is at most this."""
        return cumulative(rate, *self.parameters)

    def between(self, low: float, high: float) -> float:
        """The probability that the solve rate lies in [low, high]."""
        return self.below(high) - self.below(low)

    def places(self, band: tuple[float, float]) -> tuple[float, float, float]:
        """The probabilities that the solve rate lies below, inside and above the band."""
        below, above = self.below(band[0]), 1.0 - self.below(band[1])
        return below, 1.0 - below - above, above

    def interval(self, confidence: float) -> tuple[float, float]:
        """The central credible interval: as much lies below it as above."""
        if not 0.0 < confidence < 1.0:
            raise ValueError(f"a confidence lies between 0 and 1, got {confidence}")
        tail = (1.0 - confidence) / 2.0
        return quantile(tail, *self.parameters), quantile(1.0 - tail, *self.parameters)

    def expectation(self, shape: Shape, *, breaks: Sequence[float] = ()) -> float:
        """The expected worth of a task, for a function of its solve rate.

        With whole priors, exact to rounding for polynomials, up to some hundred attempts; as good
        for other shapes that are smooth between multiples of 1/20 and `breaks`.
        """
        points, weights = _quadrature(tuple(breaks))
        a, b = self.parameters
        logs = (a - 1.0) * np.log(points) + (b - 1.0) * np.log1p(-points) - log_beta(a, b)
        return float(np.dot(weights * np.exp(logs), _values(shape, tuple(breaks))))


def attempts_wanted(
    belief: Belief,
    *,
    stages: Sequence[int] = STAGES,
    band: tuple[float, float] = BAND,
    confidence: float = CONFIDENCE,
    shape: Shape | None = None,
    tolerance: float = 0.0,
) -> int:
    """How many more attempts to make now; 0: enough is known, or the last stage is over.

    `stages` are numbers of attempts in all, rising. With a `shape`, attempts also stop when all
    that may follow are expected to change the reward by `tolerance` or less.
    """
    following = next((stage for stage in stages if stage > belief.num_attempts), None)
    if following is None:
        return 0
    wanted = following - belief.num_attempts
    if belief.num_attempts == 0:
        return wanted
    if is_decided(belief, band, confidence):
        return 0
    rest = stages[-1] - belief.num_attempts
    if shape is not None and expected_change(belief, rest, shape) <= tolerance:
        return 0
    return wanted


def is_decided(belief: Belief, band: tuple[float, float], confidence: float) -> bool:
    """Whether a credible interval of this probability fits below, inside or above the band."""
    return max(belief.places(band)) >= confidence


@lru_cache(maxsize=4096)
def expected_change(belief: Belief, attempts: int, shape: Shape) -> float:
    """By how much so many more attempts move the expected worth, on average, up or down.

    The mean is over what they may show, foretold by the belief: k right with the beta-binomial
    probability C(n, k) B(a + k, b + n - k) / B(a, b).
    """
    now = belief.expectation(shape)
    a, b = belief.parameters
    change = 0.0
    for right in range(attempts + 1):
        wrong = attempts - right
        odds = math.exp(log_beta(a + right, b + wrong) - log_beta(a, b))
        then = belief.after(right, wrong).expectation(shape)
        change += math.comb(attempts, right) * odds * abs(then - now)
    return change


@lru_cache(maxsize=64)
def _quadrature(breaks: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Points in (0, 1) and their weights: Gauss-Legendre on each panel."""
    edges = np.array(sorted({*breaks, *(i / _PANELS for i in range(_PANELS + 1))}))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    widths = np.diff(edges)[:, None]
    points = edges[:-1, None] + widths * (nodes + 1.0) / 2.0
    return points.ravel(), (widths * weights / 2.0).ravel()


@lru_cache(maxsize=256)
def _values(shape: Shape, breaks: tuple[float, ...]) -> Floats:
    """A shape at the points of the quadrature."""
    return np.array([shape(float(point)) for point in _quadrature(breaks)[0]])
