"""One gradient of the same synthetic groups: prefix-tree packing against padded batches.

    python -m benchmarks.trainer --model DIR [--groups 6] [--micro-tokens 1024] [--json FILE]

The groups are shaped like self-play: proposals and answers that share a prompt, prompts of one kind
that share a head of examples, completions of uneven length. The rival pads the same samples, sorted
by length, into micro-batches of the same number of tokens, and computes the head at the completions
only, as careful trainers do; so the ratio is that of the tokens computed and the shape of the work.
Both run the same loss in the same precision; the gradients are compared before anything is timed.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.wire import Finish, Kind, Role
from trainer.advantage import Floats
from trainer.batch import Sample
from trainer.config import TrainerConfig
from trainer.learner import Learner
from trainer.loss import Drawn, policy_loss
from trainer.metrics import TokenSums
from trainer.model import head_weight, load_model, pick_device, score, vocabulary
from trainer.packing import num_unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Shape of the synthetic groups, in tokens."""

    groups: int = 6
    rollouts: int = 8
    shared_head: int = 80
    """Head of examples that the prompts of one kind have in common."""
    prompt: int = 60
    """Rest of a prompt."""
    completion: int = 48
    """Mean of a completion's length."""


def synthetic_samples(shape: Workload, *, vocab_size: int) -> tuple[list[Sample], Floats]:
    """Samples and their advantages, the same at every call."""
    random = np.random.default_rng(0)
    heads = [random.integers(vocab_size, size=shape.shared_head) for _ in Kind]
    samples = []
    for number in range(shape.groups):
        kind = number % len(heads)
        tail = random.integers(vocab_size, size=shape.prompt)
        prompt = np.concatenate([heads[kind], tail]).astype(np.uint32)
        for _ in range(shape.rollouts):
            length = int(np.clip(random.gamma(2.0, shape.completion / 2), 4, 4 * shape.completion))
            samples.append(
                Sample(
                    cell=(Role.SOLVER, list(Kind)[kind]),
                    group=number.to_bytes(16, "little"),
                    prompt=prompt,
                    tokens=random.integers(vocab_size, size=length, dtype=np.uint32),
                    logprobs=random.uniform(-12, -8, size=length).astype(np.float32),
                    temperature=1.0,
                    reward=1.0,
                    version=0,
                    finish=Finish.STOP,
                )
            )
    return samples, random.normal(size=len(samples))


def packed_gradient(learner: Learner, samples: Sequence[Sample], advantages: Floats) -> int:
    """Leaves the gradient in the model; returns the tokens computed."""
    packs = learner.pack(samples)
    total = sum(len(sample.tokens) for sample in samples)
    sums = TokenSums()
    for one in packs:
        learner.accumulate(one, samples, advantages_n=advantages, denominator=total, sums=sums)
    return sum(one.num_nodes for one in packs)


def padded_gradient(learner: Learner, samples: Sequence[Sample], advantages: Floats) -> int:
    """The same, from right-padded batches of samples of like length."""
    order = sorted(range(len(samples)), key=lambda i: _length(samples[i]))
    total = sum(len(sample.tokens) for sample in samples)
    computed = 0
    batch: list[int] = []
    for place, index in enumerate(order):
        batch.append(index)
        following = order[place + 1] if place + 1 < len(order) else None
        is_full = (
            following is not None
            and (len(batch) + 1) * _length(samples[following]) > learner.config.micro_tokens
        )
        if following is None or is_full:
            chosen = [samples[i] for i in batch]
            computed += _padded_batch(learner, chosen, advantages[batch], denominator=total)
            batch = []
    return computed


def _length(sample: Sample) -> int:
    return len(sample.prompt) + len(sample.tokens)


def _padded_batch(
    learner: Learner, samples: Sequence[Sample], advantages: Floats, *, denominator: int
) -> int:
    model, width = learner.model, max(_length(sample) for sample in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    mask = torch.zeros(len(samples), width, dtype=torch.long)
    rows, columns, targets, mu, worth = [], [], [], [], []
    for row, (sample, advantage) in enumerate(zip(samples, advantages, strict=True)):
        tokens = np.concatenate([sample.prompt, sample.tokens]).astype(np.int64)
        ids[row, : len(tokens)] = torch.from_numpy(tokens)
        mask[row, : len(tokens)] = 1
        n = len(sample.tokens)
        rows.append(torch.full((n,), row))
        columns.append(torch.arange(len(tokens) - n - 1, len(tokens) - 1))
        targets.append(torch.from_numpy(tokens[-n:]))
        mu.append(torch.from_numpy(sample.logprobs.copy()))
        worth.append(torch.full((n,), float(advantage)))
    device = model.device
    output = model.base_model(
        input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False
    )
    at = torch.cat(rows).to(device), torch.cat(columns).to(device)
    hidden = output.last_hidden_state[at]
    ones = torch.ones(len(hidden), device=device)
    logprobs = score(hidden, head_weight(model), temperatures_r=ones)
    chosen = logprobs.gather(1, torch.cat(targets).to(device)[:, None])[:, 0]
    drawn = Drawn(mu_logprobs_k=torch.cat(mu).to(device), advantages_k=torch.cat(worth).to(device))
    terms = policy_loss(chosen, drawn, tis_cap=learner.config.tis_cap)
    torch.autograd.backward(terms.loss_k.sum() / denominator)
    return ids.numel()


def _gap(learner: Learner, samples: Sequence[Sample], advantages: Floats) -> float:
    """Largest difference of the two gradients, relative to the largest gradient."""
    gradients = []
    for way in (packed_gradient, padded_gradient):
        learner.optimizer.clear()
        way(learner, samples, advantages)
        gradients.append([p.grad.clone() for p in learner.model.parameters() if p.grad is not None])
    scale = float(max(g.abs().max().item() for g in gradients[0]))
    pairs = zip(*gradients, strict=True)
    return float(max((a - b).abs().max().item() for a, b in pairs)) / scale


Way = Callable[[Learner, Sequence[Sample], Floats], int]


def _time(
    way: Way, learner: Learner, samples: Sequence[Sample], *, worth: Floats
) -> tuple[float, float, int]:
    """Seconds of wall time and of CPU time, and tokens computed."""
    learner.optimizer.clear()
    started, cpu_started = time.perf_counter(), time.process_time()
    computed = way(learner, samples, worth)
    if learner.model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started, time.process_time() - cpu_started, computed


def main() -> None:
    """Measure and print; interleaved repetitions, the best of each counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face directory")
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--micro-tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    config = TrainerConfig(micro_tokens=chosen.micro_tokens)
    learner = Learner(model=load_model(chosen.model, device=pick_device("auto")), config=config)
    shape = Workload(groups=chosen.groups, rollouts=chosen.rollouts)
    samples, worth = synthetic_samples(shape, vocab_size=vocabulary(learner.model))

    gap = _gap(learner, samples, worth)
    assert gap < 1e-3, f"the two gradients differ by {gap:.2g} of the largest"
    ways: dict[str, Way] = {"packed": packed_gradient, "padded": padded_gradient}
    rounds = [
        {name: _time(way, learner, samples, worth=worth) for name, way in ways.items()}
        for _ in range(chosen.repeat)
    ]
    best = {name: min(one[name] for one in rounds) for name in ways}
    trained = num_unpacked(samples)
    result = {
        "host": platform.processor() or platform.machine(),
        "device": str(learner.model.device),
        "threads": torch.get_num_threads(),
        "samples": len(samples),
        "tokens_of_samples": trained,
        "completion_tokens": sum(len(sample.tokens) for sample in samples),
        "largest_gradient_difference": gap,
        "ratio": best["padded"][0] / best["packed"][0],
        "ratio_of_cpu_time": best["padded"][1] / best["packed"][1],
    }
    for name in ways:
        seconds, cpu_seconds, computed = best[name]
        result[f"{name}_s"] = seconds
        result[f"{name}_cpu_s"] = cpu_seconds
        result[f"{name}_tokens_computed"] = computed
        result[f"{name}_sample_tokens_per_s"] = trained / seconds
    for key, value in result.items():
        print(f"{key:32} {value:.4g}" if isinstance(value, float) else f"{key:32} {value}")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
