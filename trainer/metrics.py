"""What is recorded of a step: where its time went, what its tokens and its samples were like.

Names are `noun/measure_unit`. A number that does not exist (the mean of nothing) is null, never 0.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, SupportsFloat

import numpy as np
import torch
from torch import Tensor

from trainer.advantage import Floats, split_by
from trainer.batch import Batch, Sample
from trainer.loss import TokenTerms
from trainer.valuation import Valuation

PHASES: Final = (
    "wait_batch", "decode", "pack", "forward_backward", "optimizer", "publish", "checkpoint",
)  # fmt: skip

Row = dict[str, object]


class PhaseClock:
    """Splits wall time into phases; between two calls of `lap` every moment is in one of them.

    Time outside of any phase is reported as `other`. Phases do not nest.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._started = now()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block as `name`."""
        started = self._now()
        try:
            yield
        finally:
            self._seconds[name] += self._now() - started

    def lap(self) -> Row:
        """Seconds of each phase, of none, and in all, since the last lap; starts the next."""
        ended = self._now()
        wall = ended - self._started
        row: Row = {f"time/{name}_s": seconds for name, seconds in self._seconds.items()}
        row["time/other_s"] = wall - sum(self._seconds.values())
        row["time/step_s"] = wall
        self._seconds = dict.fromkeys(PHASES, 0.0)
        self._started = ended
        return row


@dataclass(slots=True, kw_only=True)
class TokenSums:
    """Sums over the tokens that were trained on; one reduction at the end."""

    num_tokens: int = 0
    loss: float = 0.0
    entropy: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    weight_max: float = 0.0
    num_capped: int = 0
    kl: float = 0.0
    kl_max: float = 0.0
    log_ratio_abs: float = 0.0
    log_ratio_abs_max: float = 0.0

    def add(self, terms: TokenTerms, *, entropies_k: Tensor, tis_cap: float) -> None:
        """Add the tokens of one chunk."""
        weights, gaps = terms.weights_k.double(), terms.log_ratios_k.double().abs()
        self.num_tokens += len(weights)
        self.loss += terms.loss_k.detach().double().sum().item()
        self.entropy += entropies_k.detach().double().sum().item()
        self.weight += weights.sum().item()
        self.weight_squared += weights.square().sum().item()
        self.weight_max = max(self.weight_max, weights.max().item())
        self.num_capped += int((terms.weights_k >= tis_cap).sum())
        self.kl += terms.kl_k.double().sum().item()
        self.kl_max = max(self.kl_max, terms.kl_k.max().item())
        self.log_ratio_abs += gaps.sum().item()
        self.log_ratio_abs_max = max(self.log_ratio_abs_max, gaps.max().item())

    def row(self, *, denominator: int) -> Row:
        """The metrics of the policy; `denominator` is that of the loss."""
        n = self.num_tokens
        if n == 0:
            return dict.fromkeys(_POLICY_ROW)
        ess = self.weight**2 / (n * self.weight_squared) if self.weight_squared else None
        values = (
            self.loss / denominator, self.entropy / n, self.kl / n, self.kl_max,
            self.weight / n, self.weight_max, self.num_capped / n, ess,
            self.log_ratio_abs / n, self.log_ratio_abs_max,
        )  # fmt: skip
        return dict(zip(_POLICY_ROW, values, strict=True))


_POLICY_ROW: Final = (
    "policy/loss", "policy/entropy", "policy/mismatch_kl", "policy/mismatch_kl_max",
    "policy/tis_weight_mean", "policy/tis_weight_max", "policy/tis_capped_share", "policy/tis_ess",
    "policy/log_ratio_abs_mean", "policy/log_ratio_abs_max",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much was computed in a step."""

    num_packs: int = 0
    packed_tokens: int = 0
    unpacked_tokens: int = 0
    """Tokens of the same samples, one by one."""
    largest_pack: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class StepReport:
    """What one optimizer step was."""

    step: int
    batch: Batch
    valuation: Valuation
    sums: TokenSums = field(default_factory=TokenSums)
    work: Work = field(default_factory=Work)
    grad_norm: float | None = None
    """Before clipping; None if there was nothing to learn."""
    lr: float = 0.0
    is_skipped: bool = False
    """The gradient was not finite; the weights did not move."""

    def row(self) -> Row:
        """The step as a row of metrics."""
        samples, work = self.batch.samples, self.work
        advantages = self.valuation.advantages_n
        return {
            "step": self.step,
            **self.sums.row(denominator=self.valuation.num_tokens),
            "policy/grad_norm": self.grad_norm,
            "policy/lr": self.lr,
            "policy/skipped_steps": int(self.is_skipped),
            **_ages(samples, step=self.step),
            "batch/groups": self.batch.num_groups,
            "batch/rollouts": self.batch.num_rollouts,
            "batch/samples": len(samples),
            "batch/trained_samples": int((advantages != 0.0).sum()),
            "batch/rejected": dict(self.batch.rejected),
            "batch/tokens": self.valuation.num_tokens,
            "advantage/abs_max": _reduced(np.max, np.abs(advantages)),
            "advantage/std": _reduced(np.std, advantages[advantages != 0.0]),
            "pack/packs": work.num_packs,
            "pack/tokens": work.packed_tokens,
            "pack/largest_tokens": work.largest_pack,
            "pack/unpacked_tokens": work.unpacked_tokens,
            "pack/saved_tokens": work.unpacked_tokens - work.packed_tokens,
            "cells": _cells(samples, valuation=self.valuation),
        }

    def _records(self) -> str:
        stretches = self.batch.stretches.items()
        of = {name: f"{name} " if len(stretches) > 1 else "" for name, _ in stretches}
        return ", ".join(f"{of[name]}{first}..{end - 1}" for name, (first, end) in stretches)

    def line(self) -> str:
        """The step in one line, for the log."""
        samples = self.batch.samples
        reward = _reduced(np.mean, np.array([s.reward for s in samples]))
        policy = self.sums.row(denominator=self.valuation.num_tokens)
        skipped = " SKIPPED: gradient not finite" if self.is_skipped else ""
        return (
            f"step {self.step} | records {self._records()} | "
            f"{len(samples)} samples, {(self.valuation.advantages_n != 0).sum()} trained | "
            f"reward {_short(reward)} | loss {_short(policy['policy/loss'])} | "
            f"grad {_short(self.grad_norm)} | entropy {_short(policy['policy/entropy'])} | "
            f"kl {_short(policy['policy/mismatch_kl'])} | "
            f"{self.work.packed_tokens} of {self.work.unpacked_tokens} tokens computed{skipped}"
        )


def _ages(samples: Sequence[Sample], *, step: int) -> Row:
    # Step k begins with the weights of version k - 1: a sample of those is 0 steps old.
    ages = np.array([step - 1 - sample.version for sample in samples], dtype=np.float64)
    counts = sorted(Counter(ages.astype(int).tolist()).items())
    return {
        "policy/age_steps_mean": _reduced(np.mean, ages),
        "policy/age_steps_max": _reduced(np.max, ages),
        "policy/age_steps_histogram": {str(age): count for age, count in counts},
    }


def _cells(samples: Sequence[Sample], *, valuation: Valuation) -> Row:
    """Rewards, advantages and lengths of each (role, kind)."""
    rewards = np.array([sample.reward for sample in samples])
    lengths = np.array([len(sample.tokens) for sample in samples], dtype=np.float64)
    finishes = np.array([sample.finish.value for sample in samples])
    row: Row = {}
    for indices in split_by([sample.cell for sample in samples]).values():
        role, kind = samples[indices[0]].cell
        advantages = valuation.advantages_n[indices]
        baseline = valuation.baselines[role, kind]
        row[f"{role}/{kind}"] = {
            "n": len(indices),
            "zero_variance": bool((rewards[indices] == rewards[indices[0]]).all()),
            "reward_mean": _reduced(np.mean, rewards[indices]),
            "reward_std": _reduced(np.std, rewards[indices]),
            "reward_min": _reduced(np.min, rewards[indices]),
            "reward_max": _reduced(np.max, rewards[indices]),
            "baseline_mean": baseline.mean,
            "baseline_std": baseline.var**0.5,
            "advantage_mean": _reduced(np.mean, advantages),
            "advantage_std": _reduced(np.std, advantages),
            "advantage_abs_max": _reduced(np.max, np.abs(advantages)),
            "length_mean": _reduced(np.mean, lengths[indices]),
            "length_max": _reduced(np.max, lengths[indices]),
            "finishes": dict(Counter(finishes[indices].tolist())),
        }
    return row


def entropies(logprobs_rv: Tensor) -> Tensor:
    """Entropy in nats of each row's distribution, (r,)."""
    return -torch.einsum("rv,rv->r", logprobs_rv.exp(), logprobs_rv)


def _reduced(reduce: Callable[[Floats], SupportsFloat], values: Floats) -> float | None:
    return float(reduce(values)) if len(values) else None


def _short(value: object) -> str:
    return "-" if value is None else f"{value:.3g}"
