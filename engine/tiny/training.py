"""Train tokenizer and model from the corpus, in some minutes on one core.

The corpus is endless, so nothing is seen twice and there is nothing to overfit. Documents are
sorted by length within a pool before they are cut into batches, which about halves the padding.
Everything random comes from one seed; on one machine and thread count a run repeats exactly.
"""

import io
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from engine.tiny.corpus import Document, document

END = "<|end|>"
_PIECES = r" ?[A-Za-z_]+| ?[0-9]|\n *| ?[^\sA-Za-z0-9_]|\s"
"""Digits and signs stay single, so a prompt cut after any of them has the same tokens as the
same text within a document."""

_IGNORED = -100
_POOL = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a run is made of."""

    steps: int = 1300
    batch: int = 16
    """Documents of a step."""
    lr: float = 3e-3
    seed: int = 0
    threads: int = 1
    """More of them only help on an idle machine: they wait for each other at every product."""
    vocabulary: int = 512
    width: int = 128
    layers: int = 4


def train(out: Path, settings: Training, *, say: Callable[[str], None]) -> None:
    """Train a model and write it to `out` in the Hugging Face layout (bfloat16)."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)
    tokenizer = train_tokenizer(rng, vocabulary=settings.vocabulary)
    model = LlamaForCausalLM(_config(tokenizer, settings))
    say(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: _pace(i, settings.steps))
    started, mean = time.monotonic(), math.log(settings.vocabulary)
    batches = _batches(tokenizer, rng, size=settings.batch)
    for step in range(1, settings.steps + 1):
        loss = _loss(model, *next(batches))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        mean += (loss.item() - mean) / 50
        if step % 100 == 0 or step == settings.steps:
            say(f"step {step}: loss {mean:.3f}, {time.monotonic() - started:.0f} s")
    _save(model, tokenizer, out)


def train_tokenizer(rng: random.Random, *, vocabulary: int) -> Tokenizer:
    """A byte-level BPE of the corpus; any text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    documents = (document(rng) for _ in range(4000))
    tokenizer.train_from_iterator((d.prompt + d.completion for d in documents), trainer)
    return tokenizer


def _config(tokenizer: Tokenizer, settings: Training) -> LlamaConfig:
    end = tokenizer.token_to_id(END)
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=settings.width,
        intermediate_size=3 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.width // 32,
        num_key_value_heads=settings.width // 32,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
    )


def _pace(step: int, steps: int) -> float:
    """Share of the learning rate: a short rise, then down to nothing."""
    rise = max(1, min(100, steps // 10))
    return min((step + 1) / rise, (steps - step) / (steps - rise + 1))


def _batches(
    tokenizer: Tokenizer, rng: random.Random, *, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and labels, both (B, T), for ever."""
    while True:
        pool = [_encode(tokenizer, document(rng)) for _ in range(_POOL)]
        pool.sort(key=lambda pair: len(pair[0]))
        cuts = [pool[i : i + size] for i in range(0, _POOL, size)]
        rng.shuffle(cuts)
        for cut in cuts:
            yield _padded([ids for ids, _ in cut], 0), _padded([y for _, y in cut], _IGNORED)


def _encode(tokenizer: Tokenizer, made: Document) -> tuple[list[int], list[int]]:
    """Ids and labels; prompt and completion are encoded apart, as they are when sampling."""
    prompt = tokenizer.encode(made.prompt).ids
    completion: list[int] = tokenizer.encode(made.completion + END).ids
    seen = prompt if made.learn_prompt else [_IGNORED] * len(prompt)
    return prompt + completion, seen + completion


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    length = max(map(len, rows))
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the labels; padding follows what it could disturb, so it needs no mask."""
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_IGNORED)


def _save(model: LlamaForCausalLM, tokenizer: Tokenizer, out: Path) -> None:
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=END
    )
    torch.nn.Module.to(model, torch.bfloat16)
    with redirect_stderr(io.StringIO()):  # a progress bar for one file
        model.save_pretrained(out)
    wrapped.save_pretrained(out)
