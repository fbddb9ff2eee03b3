"""Tokens per second of the local policy beside transformers' own `generate`, in one run.

    python -m benchmarks.decode --model smollm2-135m --threads 1 --batches 1 8 16 32

Both sample at temperature 1 from the same model in float32, from the same prompts, the same number
of tokens, no early end. Three loads: `even`, a prompt of a few tokens and rows of equal length,
the best case of `generate`; `ragged`, lengths that differ as they do in self-play, where `generate`
computes every row to the longest; `shared`, the same after one few-shot prompt, which the policy
computes once. Rounds of the two alternate, and the best of each is kept, because a shared machine
only ever slows a round down.
"""

import argparse
import asyncio
import json
import platform
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import GenerationMixin, PreTrainedModel

from benchmarks.threaded import open_in_thread
from engine.policy.local import LocalOptions, LocalPolicy
from engine.policy.local.model import read_model
from engine.policy.pretrained import resolve_model
from engine.policy.protocol import SamplingParams

SHORT = "def f("
FEW_SHOT = """# Python functions, each with one call whose result takes some thought.

def f(xs, k):
    return [x * k for x in xs if x > k]
print(f([1, 5, 3, 8], 2))

def f(s):
    return ''.join(c.upper() if i % 2 else c for i, c in enumerate(s))
print(f('planet'))

def f("""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sampled: one prompt, and how many tokens in each row."""

    name: str
    prompt: str
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    load: str
    batch: int
    threads: int
    generate_tokens_s: float
    local_tokens_s: float


async def main() -> None:
    """Measure, print, and write to --json if given."""
    arguments = _arguments()
    directory = resolve_model(arguments.model)
    torch.set_num_threads(arguments.threads)
    model = read_model(directory, device="cpu", dtype="float32")
    rows = []
    for batch in arguments.batches:
        for load in _loads(batch, arguments.tokens):
            rows.append(await _measure(model, directory, load, arguments=arguments))
            print(json.dumps(asdict(rows[-1])), flush=True)
    if arguments.json:
        report = {
            "host": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "model": arguments.model,
            "rows": [asdict(row) for row in rows],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def _loads(batch: int, tokens: int) -> list[Load]:
    rng = random.Random(0)
    ragged = tuple(rng.randint(tokens // 4, tokens) for _ in range(batch))
    return [
        Load(name="even", prompt=SHORT, lengths=(tokens,) * batch),
        Load(name="ragged", prompt=SHORT, lengths=ragged),
        Load(name="shared", prompt=FEW_SHOT, lengths=ragged),
    ]


async def _measure(
    model: PreTrainedModel, directory: Path, load: Load, *, arguments: argparse.Namespace
) -> Row:
    batch = len(load.lengths)
    best_generate = best_local = float("inf")
    for _ in range(arguments.rounds):
        policy, server = await open_in_thread(
            directory, options=LocalOptions(max_batch=batch, threads=arguments.threads)
        )
        server.worker.end_tokens = frozenset()
        ids = policy.tokenize(load.prompt)
        started = time.perf_counter()
        await asyncio.gather(*(_sample(policy, load.prompt, length) for length in load.lengths))
        best_local = min(best_local, time.perf_counter() - started)
        await policy.close()
        started = time.perf_counter()
        await asyncio.to_thread(_generate, model, ids, load.lengths, threads=arguments.threads)
        best_generate = min(best_generate, time.perf_counter() - started)
    return Row(
        load=load.name,
        batch=batch,
        threads=arguments.threads,
        generate_tokens_s=round(sum(load.lengths) / best_generate, 1),
        local_tokens_s=round(sum(load.lengths) / best_local, 1),
    )


@torch.inference_mode()
def _generate(
    model: PreTrainedModel, ids: list[int], lengths: Sequence[int], *, threads: int
) -> None:
    assert isinstance(model, GenerationMixin)
    torch.set_num_threads(threads)
    batch = torch.tensor([ids] * len(lengths))
    model.generate(
        batch,
        attention_mask=torch.ones_like(batch),
        max_new_tokens=max(lengths),
        min_new_tokens=max(lengths),
        do_sample=True,
        top_k=0,
    )


async def _sample(policy: LocalPolicy, prompt: str, length: int) -> None:
    async for _ in policy.sample(prompt, SamplingParams(max_tokens=length)):
        pass


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
