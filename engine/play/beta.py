"""The Beta distribution, as far as it is needed here, in the standard library alone.

Source: the regularised incomplete beta function by its continued fraction, DLMF 8.17.22
(https://dlmf.nist.gov/8.17), evaluated from the front as modified by Lentz.
"""

import math
from itertools import count
from typing import Final

_ENOUGH: Final = 1e-15
_TINY: Final = 1e-300
"""In place of a zero denominator."""


def log_beta(a: float, b: float) -> float:
    """Log of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def cumulative(x: float, a: float, b: float) -> float:
    """P(p <= x) for p ~ Beta(a, b): the regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):  # on that side the fraction converges slowly
        return 1.0 - cumulative(1.0 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b)) / a
    return front / _fraction(x, a, b)


def quantile(share: float, a: float, b: float) -> float:
    """The x below which this share of Beta(a, b) lies, to the last bit, by bisection."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if cumulative(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return high


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...))."""
    value = numerator = 1.0
    denominator = 0.0
    for step in count(1):
        d = _coefficient(step, x, a, b)
        denominator = 1.0 / (1.0 + d * denominator or _TINY)
        numerator = 1.0 + d / numerator or _TINY
        value *= numerator * denominator
        if abs(numerator * denominator - 1.0) <= _ENOUGH:
            break
    return value


def _coefficient(step: int, x: float, a: float, b: float) -> float:
    """The fraction's d with this number, from 1."""
    m = step // 2
    if step % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
