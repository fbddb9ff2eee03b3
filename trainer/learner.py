"""One optimizer step: batch -> advantages -> micro-batches -> gradient -> new weights.

The head is the widest layer and is needed at few positions: only where a token is scored, each
position once, `head_rows` at a time. The hidden states are detached before the head; a chunk's
logits live until its own backward pass, whose gradients gather at the detached states, and the
body's backward pass runs once from there. So the logits of a micro-batch are never all in memory,
and nothing is computed twice.

A batch is a pure function of the ring, and a step of batch and state; on CPU the same step done
again after a crash gives the same bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedModel

from trainer.advantage import Floats
from trainer.batch import Batch, Sample
from trainer.config import TrainerConfig
from trainer.errors import TrainerError
from trainer.loss import Drawn, policy_loss
from trainer.metrics import PhaseClock, StepReport, TokenSums, Work, entropies
from trainer.model import HeadRows, head_weight, hidden_states, score, square_at
from trainer.optim import Optimizer
from trainer.packing import Pack, num_unpacked, pack
from trainer.valuation import Baselines, Valuation, value

MAX_SKIPPED: Final = 3
"""Steps in a row without a finite gradient after which something is wrong."""


@dataclass(slots=True, kw_only=True, eq=False)
class Learner:
    """The policy, its optimizer, and all else that a step changes."""

    model: PreTrainedModel
    config: TrainerConfig
    step: int = 0
    """Optimizer steps done; the version of the weights."""
    baselines: Baselines = field(default_factory=dict)
    num_skipped: int = 0
    """Steps since the last one with a finite gradient."""
    optimizer: Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.model.train(False)  # no dropout: the policy that learns must be the one that sampled
        self.optimizer = Optimizer(self.model, self.config)

    def learn(
        self, batch: Batch, *, clock: PhaseClock, between_passes: Callable[[], None]
    ) -> StepReport:
        """Take the next step. `between_passes` may raise to give the step up: nothing has changed.

        Raises TrainerError when the gradient was not finite `MAX_SKIPPED` times in a row.
        """
        with clock.phase("pack"):
            valuation = value(batch.samples, config=self.config, baselines=self.baselines)
            report = StepReport(step=self.step + 1, batch=batch, valuation=valuation)
            samples, advantages = _worth_learning(batch.samples, valuation)
            packs = self.pack(samples)
            report.work = _work(packs, samples)
        try:
            with clock.phase("forward_backward"):
                for one in packs:
                    between_passes()
                    self.accumulate(
                        one,
                        samples,
                        advantages_n=advantages,
                        denominator=valuation.num_tokens,
                        sums=report.sums,
                    )
        except BaseException:
            self.optimizer.clear()
            raise
        with clock.phase("optimizer"):
            self._advance(report)
        return report

    def pack(self, samples: Sequence[Sample]) -> list[Pack]:
        """Micro-batches of these samples."""
        limit, knee = self.config.micro_tokens, square_at(self.model)
        return pack(samples, max_nodes=limit, square_at=knee) if samples else []

    def accumulate(
        self,
        one: Pack,
        samples: Sequence[Sample],
        *,
        advantages_n: Floats,
        denominator: int,
        sums: TokenSums,
    ) -> None:
        """Add the gradient of one micro-batch to the model's, and its tokens to `sums`."""
        device = self.model.device
        members = [samples[member] for member in one.members]
        lengths = [sample.num_trained for sample in members]
        advantages_k = np.repeat(advantages_n[list(one.members)], lengths).astype(np.float32)
        mu_k = np.concatenate([sample.trained(sample.logprobs) for sample in members])
        temperatures_k = np.repeat([sample.temperature for sample in members], lengths)

        rows = HeadRows.of(one, temperatures_k=temperatures_k, device=device)
        drawn_mu_k = torch.from_numpy(mu_k).to(device)[rows.order_k]
        drawn_advantages_k = torch.from_numpy(advantages_k).to(device)[rows.order_k]
        hidden_rd = hidden_states(self.model, one)[rows.nodes_r]
        detached_rd = hidden_rd.detach().requires_grad_()
        weight_vd = head_weight(self.model)
        for in_r, in_k in rows.chunks(self.config.head_rows):
            logprobs_rv = score(
                detached_rd[in_r], weight_vd, temperatures_r=rows.temperatures_r[in_r]
            )
            local_k = rows.rows_k[in_k] - in_r.start
            with torch.set_grad_enabled(self.config.entropy_coef > 0.0):
                entropies_k = entropies(logprobs_rv)[local_k]
            terms = policy_loss(
                logprobs_rv[local_k, rows.targets_k[in_k]],
                Drawn(mu_logprobs_k=drawn_mu_k[in_k], advantages_k=drawn_advantages_k[in_k]),
                tis_cap=self.config.tis_cap,
            )
            bonus = self.config.entropy_coef * entropies_k
            torch.autograd.backward((terms.loss_k - bonus).sum() / denominator)
            sums.add(terms, entropies_k=entropies_k, tis_cap=self.config.tis_cap)
        torch.autograd.backward(hidden_rd, detached_rd.grad)

    def _advance(self, report: StepReport) -> None:
        """Move the weights, or skip; either way the batch is used and the step has its number."""
        if report.work.num_packs:
            report.grad_norm = self.optimizer.step(number=report.step)
            report.is_skipped = not math.isfinite(report.grad_norm)
            self.num_skipped = self.num_skipped + 1 if report.is_skipped else 0
        report.lr = self.optimizer.learning_rate(report.step)
        if self.num_skipped >= MAX_SKIPPED:
            raise TrainerError(
                f"expected finite gradients, saw {self.num_skipped} in a row that are not, up to "
                f"step {report.step}; lower trainer.lr (now {self.config.lr:g}) and start again: "
                "the run resumes from its last checkpoint"
            )
        self.step = report.step
        self.baselines = report.valuation.baselines


def _worth_learning(samples: Sequence[Sample], valuation: Valuation) -> tuple[list[Sample], Floats]:
    """Samples with an advantage; the others have no gradient and need no forward pass."""
    chosen = np.flatnonzero(valuation.advantages_n)
    return [samples[i] for i in chosen.tolist()], valuation.advantages_n[chosen]


def _work(packs: Sequence[Pack], samples: Sequence[Sample]) -> Work:
    sizes = [one.num_nodes for one in packs]
    return Work(
        num_packs=len(sizes),
        packed_tokens=sum(sizes),
        unpacked_tokens=num_unpacked(samples),
        largest_pack=max(sizes, default=0),
    )
