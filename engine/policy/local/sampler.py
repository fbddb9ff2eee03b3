# ruff: noqa: N803, N806  shape suffixes are upper case
"""One draw for every row of a batch, each from its own stream of random numbers.

A row brings one uniform number; its token is found by inverting the cumulative distribution. What
a row draws therefore depends on its logits and its own seed, not on the rows beside it, and the
whole batch is one vectorised operation.

Shape suffixes: `B` row, `V` vocabulary, `N` block of the vocabulary, `K` place in a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """One token a row."""

    tokens: list[int]
    logprobs: list[float]


def draw(
    logits_BV: torch.Tensor, *, temperatures: Sequence[float], uniforms: Sequence[float]
) -> Draws:
    """Sample at each row's temperature; temperature 0 takes the most likely token.

    The log-probability is that of the distribution drawn from, in float32; a greedy row's is taken
    at temperature 1.
    """
    device = logits_BV.device
    scale_B = torch.tensor([t or 1.0 for t in temperatures], device=device)
    logprobs_BV = torch.log_softmax(logits_BV.float() / scale_B[:, None], dim=-1)
    tokens_B = logprobs_BV.argmax(dim=-1)
    if any(temperatures):
        sampled_B = _invert(logprobs_BV, uniforms)
        greedy_B = torch.tensor([t == 0 for t in temperatures], device=device)
        tokens_B = torch.where(greedy_B, tokens_B, sampled_B)
    chosen_B = logprobs_BV.gather(1, tokens_B[:, None])[:, 0]
    return Draws(tokens=tokens_B.tolist(), logprobs=chosen_B.tolist())


def _invert(logprobs_BV: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    """The tokens at these places of the cumulative distribution, (B,).

    First the block, then the token in it: summing 50,000 tokens one by one took half of a draw's
    time. float64, because a float32 sum loses the tokens rarer than one in ten million.
    """
    probs_BV = pad(logprobs_BV.exp(), (0, -logprobs_BV.shape[-1] % _BLOCK))
    probs_BNK = probs_BV.reshape(len(uniforms), -1, _BLOCK)
    sums_BN = probs_BNK.sum(dim=-1, dtype=torch.float64)
    uniforms_B1 = torch.tensor(uniforms, dtype=torch.float64, device=logprobs_BV.device)[:, None]
    ends_BN = sums_BN.cumsum(dim=-1)
    wanted_B1 = uniforms_B1 * ends_BN[:, -1:]
    block_B1 = _first_above(ends_BN, wanted_B1)
    start_B1 = (ends_BN - sums_BN).gather(1, block_B1)
    rows_B = torch.arange(len(uniforms), device=logprobs_BV.device)
    inner_BK = probs_BNK[rows_B, block_B1[:, 0]].cumsum(dim=-1, dtype=torch.float64)
    rest_B1 = (wanted_B1 - start_B1).clamp_(min=0)  # rounding may leave it below
    return (block_B1 * _BLOCK + _first_above(inner_BK, rest_B1))[:, 0]


def _first_above(ends: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Per row the first place whose cumulative sum exceeds `wanted`, never one of probability 0."""
    below_the_last = ends[:, -1:] * (1 - 2**-52)
    return torch.searchsorted(ends, torch.minimum(wanted, below_the_last), right=True)
