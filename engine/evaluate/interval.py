"""Confidence intervals of proportions, 95 %."""

import math

Z = 1.959964


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927)."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    scale = 1 + Z**2 / trials
    centre = (rate + Z**2 / (2 * trials)) / scale
    half = Z * math.sqrt(rate * (1 - rate) / trials + Z**2 / (4 * trials**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def ratio(
    after: tuple[int, int], before: tuple[int, int]
) -> tuple[float, tuple[float, float]] | None:
    """after / before of two (successes, trials), with the log interval of Katz et al. (1978).

    None where a count is zero: the ratio has no finite interval then.
    """
    if after[0] == 0 or before[0] == 0:
        return None
    rate_after, rate_before = after[0] / after[1], before[0] / before[1]
    quotient = rate_after / rate_before
    spread = Z * math.sqrt((1 - rate_after) / after[0] + (1 - rate_before) / before[0])
    return quotient, (quotient * math.exp(-spread), quotient * math.exp(spread))
