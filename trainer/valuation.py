"""What the samples of a batch are worth: the configured estimator, applied to each of its cells.

The running baselines of `trr++` are used before the batch updates them, so a reward is never
measured against itself. Nothing here is changed in place: the caller adopts the new baselines when
the step is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.advantage import (
    Floats,
    Moments,
    Shrinkage,
    Worth,
    azr_paper,
    grpo,
    split_by,
    trr_plus_plus,
    update_baseline,
)
from trainer.batch import Cell, Sample
from trainer.config import TrainerConfig

Baselines = Mapping[Cell, Moments]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Valuation:
    """Advantages of a batch; arrays are (n,), in the order of its samples."""

    advantages_n: Floats
    is_kept_n: NDArray[np.bool_]
    """False: the sample's group or cell taught nothing and left the denominator."""
    num_tokens: int
    """Completion tokens of the kept samples, masked ones apart: the denominator of the loss."""
    baselines: Baselines
    """Running baselines after this batch."""


def value(samples: Sequence[Sample], *, config: TrainerConfig, baselines: Baselines) -> Valuation:
    """Advantages by `config.algo`."""
    rewards_n = np.array([sample.reward for sample in samples], dtype=np.float64)
    lengths_n = np.array([sample.num_trained for sample in samples], dtype=np.float64)
    advantages_n = np.zeros(len(samples))
    is_kept_n = np.zeros(len(samples), dtype=bool)
    keys = [sample.group if config.algo == "grpo" else sample.cell for sample in samples]
    for indices in split_by(keys).values():
        worth = _worth(
            rewards_n[indices],
            lengths_n[indices],
            config=config,
            baseline=baselines.get(samples[indices[0]].cell),
        )
        advantages_n[indices], is_kept_n[indices] = worth.advantages_n, worth.is_kept
    updated = dict(baselines)
    for indices in split_by([sample.cell for sample in samples]).values():
        cell = samples[indices[0]].cell
        updated[cell] = update_baseline(
            baselines.get(cell), rewards_n[indices], lengths_n[indices], decay=config.ema_decay
        )
    return Valuation(
        advantages_n=advantages_n,
        is_kept_n=is_kept_n,
        num_tokens=int(lengths_n[is_kept_n].sum()),
        baselines=updated,
    )


def _worth(
    rewards_n: Floats, lengths_n: Floats, *, config: TrainerConfig, baseline: Moments | None
) -> Worth:
    match config.algo:
        case "grpo":
            return grpo(rewards_n)
        case "azr_paper":
            return azr_paper(rewards_n, lengths_n)
    shrinkage = Shrinkage(n_min=config.n_min, kappa=config.kappa, s_min=config.s_min)
    return trr_plus_plus(rewards_n, lengths_n, baseline=baseline, shrinkage=shrinkage)
