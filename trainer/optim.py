"""AdamW on float32 master weights, with a linear warm-up and a bound on the gradient's norm.

With `publish_dtype = "bfloat16"` the model computes with exactly the rounded weights that are
published, for otherwise trainer and sampler would be two policies. Updates are far below a bfloat16
ulp, so they are added up in float32 masters, which the model's weights are rounded from.
"""

import math

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.config import TrainerConfig


class Optimizer:
    """Owns the master weights and the moments of a model's parameters."""

    def __init__(self, model: PreTrainedModel, config: TrainerConfig) -> None:
        self._config = config
        self._params = dict(model.named_parameters())
        self._is_rounded = config.publish_dtype == "bfloat16"
        self.masters: dict[str, Tensor] = {
            name: p.detach().clone() if self._is_rounded else p.detach()
            for name, p in self._params.items()
        }
        for master in self.masters.values():
            master.requires_grad_()
        self._adam = torch.optim.AdamW(
            list(self.masters.values()),
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._round()

    @torch.no_grad()
    def step(self, *, number: int) -> float:
        """Take step `number` (1, 2, ...) along the gradients and clear them.

        Returns the gradient's norm before it was bounded. If that is not finite, nothing moves.
        """
        grads = [p.grad for p in self._params.values() if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(grads))
        if math.isfinite(norm):
            if norm > self._config.grad_clip:
                torch._foreach_mul_(grads, self._config.grad_clip / norm)
            for name, master in self.masters.items():
                master.grad = self._params[name].grad
            for group in self._adam.param_groups:
                group["lr"] = self.learning_rate(number)
            self._adam.step()
            self._round()
        self.clear()
        return norm

    def clear(self) -> None:
        """Forget the gradients."""
        for name, master in self.masters.items():
            master.grad = None
            self._params[name].grad = None

    def learning_rate(self, number: int) -> float:
        """Learning rate of step `number`."""
        warmup = self._config.warmup_steps
        return self._config.lr * (min(1.0, number / warmup) if warmup else 1.0)

    def state(self) -> dict[str, Tensor]:
        """Moments and counters by parameter name; empty before the first step."""
        return {
            f"{key}/{name}": value
            for name, master in self.masters.items()
            for key, value in self._adam.state[master].items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `state` gave. KeyError if a parameter's moments are missing."""
        if not tensors:
            return
        for master, name in ((m, n) for n, m in self.masters.items()):
            self._adam.state[master] = {
                "step": tensors[f"step/{name}"].clone(),
                "exp_avg": tensors[f"exp_avg/{name}"].to(master.device, copy=True),
                "exp_avg_sq": tensors[f"exp_avg_sq/{name}"].to(master.device, copy=True),
            }

    @torch.no_grad()
    def _round(self) -> None:
        if self._is_rounded:
            for name, master in self.masters.items():
                self._params[name].copy_(master.bfloat16())
