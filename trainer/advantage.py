"""What a reward is worth: three estimators of the advantage, as pure functions in float64.

A (role, kind) pair is a *cell*: rewards of different cells have different scales and are never
compared. `trr++` whitens each cell of a batch, weighted as the loss weights it (by tokens), so the
weighted advantages of a cell sum to zero and no length is favoured. A cell with few samples leans
on a running baseline. A cell whose rewards are all equal teaches nothing: its samples leave the
batch *and* its token denominator, so that adding such a cell changes nothing.

Suffix: `n` samples of one cell (or of one prompt, for `grpo`).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AZR_EPSILON: Final = 1e-8
GRPO_EPSILON: Final = 1e-6


class Moments(NamedTuple):
    """Mean and variance of the rewards of one cell."""

    mean: float
    var: float


class Worth(NamedTuple):
    """What one cell is worth."""

    advantages_n: Floats
    is_kept: bool
    """False: its samples leave the batch and the denominator of the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrinkage:
    """How a small cell leans on its running baseline; see `TrainerConfig` for the defaults."""

    n_min: int = 4
    kappa: float = 8.0
    s_min: float = 1e-3


def trr_plus_plus(
    rewards_n: Floats,
    lengths_n: Floats,
    *,
    baseline: Moments | None,
    shrinkage: Shrinkage,
) -> Worth:
    """Whiten one cell by its token-weighted moments, or by those mixed with `baseline`."""
    n = len(rewards_n)
    if n == 0:
        return _worthless(n)
    if n >= shrinkage.n_min:
        if _all_equal(rewards_n):
            return _worthless(n)
        moments = weighted_moments(rewards_n, lengths_n)
    elif baseline is None:
        return _worthless(n)
    else:
        weight = n / (n + shrinkage.kappa)
        moments = mix(weighted_moments(rewards_n, lengths_n), baseline, weight=weight)
        if moments.var == 0.0:
            return _worthless(n)
    scale = max(np.sqrt(moments.var), shrinkage.s_min)
    return Worth((rewards_n - moments.mean) / scale, is_kept=True)


def azr_paper(rewards_n: Floats, lengths_n: Floats) -> Worth:
    """Whiten one cell over its tokens, as the paper's code does; equal rewards stay, worth 0."""
    n = len(rewards_n)
    num_tokens = lengths_n.sum()
    if n == 0 or num_tokens < 2 or _all_equal(rewards_n):
        return Worth(np.zeros(n), is_kept=True)
    mean = (lengths_n * rewards_n).sum() / num_tokens
    var = (lengths_n * (rewards_n - mean) ** 2).sum() / (num_tokens - 1)
    return Worth((rewards_n - mean) / np.sqrt(var + AZR_EPSILON), is_kept=True)


def grpo(rewards_n: Floats) -> Worth:
    """Standardise the samples of one prompt; one sample, or equal rewards, are worth nothing."""
    n = len(rewards_n)
    if n < 2 or _all_equal(rewards_n):
        return _worthless(n)
    scale = rewards_n.std(ddof=1) + GRPO_EPSILON
    return Worth((rewards_n - rewards_n.mean()) / scale, is_kept=True)


def weighted_moments(rewards_n: Floats, weights_n: Floats) -> Moments:
    """Weighted mean and variance; Bessel's factor counts samples, for tokens of one depend."""
    n = len(rewards_n)
    total = weights_n.sum()
    mean = (weights_n * rewards_n).sum() / total
    if _all_equal(rewards_n):
        return Moments(float(rewards_n[0]), 0.0)
    bessel = n / (n - 1)
    var = (weights_n * (rewards_n - mean) ** 2).sum() / total * bessel
    return Moments(float(mean), float(var))


def mix(batch: Moments, prior: Moments, *, weight: float) -> Moments:
    """Moments of the mixture that draws from `batch` with probability `weight`, else `prior`."""
    rest = 1.0 - weight
    mean = weight * batch.mean + rest * prior.mean
    between = weight * rest * (batch.mean - prior.mean) ** 2
    return Moments(mean, weight * batch.var + rest * prior.var + between)


def update_baseline(
    baseline: Moments | None, rewards_n: Floats, lengths_n: Floats, *, decay: float
) -> Moments:
    """The running baseline after a cell (N >= 1) was used; the first batch founds it."""
    seen = weighted_moments(rewards_n, lengths_n)
    return seen if baseline is None else mix(seen, baseline, weight=1.0 - decay)


def split_by(keys: Sequence[Hashable]) -> dict[Hashable, NDArray[np.intp]]:
    """Indices of equal keys, in order of first appearance."""
    found: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return {key: np.asarray(indices, dtype=np.intp) for key, indices in found.items()}


def _all_equal(rewards_n: Floats) -> bool:
    # Not var == 0: in floating point, the variance of equal numbers can be 1e-33.
    return bool((rewards_n == rewards_n[0]).all())


def _worthless(n: int) -> Worth:
    return Worth(np.zeros(n), is_kept=False)
