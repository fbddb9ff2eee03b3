"""The policy-gradient loss of one stretch of tokens; pure, one screen.

Three policies are told apart: mu drew the tokens (its kernels, its dtype, maybe older weights), the
proximal policy is the trainer's at the start of the step, pi is being changed. There is one update
a batch, so proximal and pi are equal in value ("decoupled, lite"): the ratio is 1, clipping never
acts, and the gradient is A grad log pi. What remains is the gap from mu to the proximal policy:
each token is weighted by min(p / mu, cap), with no gradient through the weight.

The sum over tokens is divided by the batch's number of tokens, known before the first micro-batch;
so the split into micro-batches does not matter. Masked tokens are in neither: they are not handed
in. Suffix: `k` completion tokens.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

CLIP_LOW: Final = 0.2
CLIP_HIGH: Final = 0.28
DUAL_CLIP: Final = 3.0
MAX_LOG_RATIO: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """What is known of tokens besides the policy: who drew them and what they are worth."""

    mu_logprobs_k: Tensor
    advantages_k: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenTerms:
    """The loss and, for the metrics, what it was made of, each (k,); `loss_k` has a gradient."""

    loss_k: Tensor
    """To be summed and divided by the batch's number of tokens."""
    weights_k: Tensor
    """min(p / mu, cap)."""
    log_ratios_k: Tensor
    """log p - log mu: mismatch of the two implementations, and staleness."""
    kl_k: Tensor
    """Unbiased, non-negative estimate of KL(mu || p)."""


def policy_loss(logprobs_k: Tensor, drawn: Drawn, *, tis_cap: float) -> TokenTerms:
    """Loss of tokens with log-probabilities `logprobs_k` under the policy that learns."""
    proximal_k = logprobs_k.detach()
    log_ratios_k = proximal_k - drawn.mu_logprobs_k
    bounded_k = log_ratios_k.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    weights_k = bounded_k.exp().clamp(max=tis_cap)
    return TokenTerms(
        loss_k=weights_k * surrogate(logprobs_k - proximal_k, drawn.advantages_k),
        weights_k=weights_k,
        log_ratios_k=log_ratios_k,
        kl_k=kl_estimate(bounded_k),
    )


def surrogate(log_ratios_k: Tensor, advantages_k: Tensor) -> Tensor:
    """PPO's clipped objective, higher above than below, bounded for A < 0; negated."""
    ratios_k = log_ratios_k.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    clipped_k = ratios_k.clamp(1.0 - CLIP_LOW, 1.0 + CLIP_HIGH)
    gain_k = torch.minimum(ratios_k * advantages_k, clipped_k * advantages_k)
    bounded_k = torch.maximum(gain_k, DUAL_CLIP * advantages_k)
    return -torch.where(advantages_k < 0.0, bounded_k, gain_k)


def kl_estimate(log_ratios_k: Tensor) -> Tensor:
    """exp(d) - 1 - d of d = log p - log mu, for tokens drawn from mu.

    Never negative; its mean estimates KL(mu || p) without bias, for exp(d) has mean 1 under mu.
    """
    return log_ratios_k.exp() - 1.0 - log_ratios_k
