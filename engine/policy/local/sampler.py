# ruff: noqa: N803, N806  shape suffixes are upper case
"""One draw for every row of a batch, each from its own stream of random numbers.

A row brings one uniform number; its token is found by inverting the cumulative distribution. What
a row draws therefore depends on its logits and its own seed, not on the rows beside it, and the
whole batch is one vectorised operation.

Shape suffixes: `B` row, `V` vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


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
    # float64: with 50,000 tokens a float32 sum loses those rarer than one in ten million
    cumulative_BV = logprobs_BV.exp().cumsum(dim=-1, dtype=torch.float64)
    wanted_B = torch.tensor(uniforms, dtype=torch.float64, device=logprobs_BV.device)
    wanted_B1 = wanted_B[:, None] * cumulative_BV[:, -1:]
    found_B = torch.searchsorted(cumulative_BV, wanted_B1, right=True)[:, 0]
    return found_B.clamp_(max=logprobs_BV.shape[-1] - 1)
