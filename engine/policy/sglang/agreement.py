"""Is a server the policy that the trainer takes it for? Asked once, before anything is played.

A server writes a few tokens greedily; a child process reads the same weights with transformers in
float32, as the trainer does, and computes the log-probabilities of these tokens. What differs by
more than rounding is another model, tokenizer or precision, and every importance ratio of the run
would be wrong by it.

    python -m engine.policy.sglang.agreement MODEL < [tokens, number of prompt tokens] > [logprobs]
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.policy.errors import PolicyError
from engine.policy.sglang.client import ServerClient
from engine.policy.sglang.replies import ReplyReader

NUM_TOKENS: Final = 16
LARGEST_BYTES: Final = 8 << 30
"""Weights files above this are not read once more, in float32, on the engine's machine."""


async def disagreement(client: ServerClient, model: Path, prompt: Sequence[int]) -> float | None:
    """Mean |log p(server) - log p(transformers)| over a few tokens, in nats.

    None where it cannot be said: no torch here, or a model too large to be read once more.
    """
    if find_spec("torch") is None or _num_bytes(model) > LARGEST_BYTES:
        return None
    tokens, logprobs = await _written(client, prompt)
    if not tokens:
        return None
    expected = await _reference(model, [*prompt, *tokens], len(prompt))
    gaps = [abs(one - other) for one, other in zip(logprobs, expected, strict=True)]
    return sum(gaps) / len(gaps)


def _num_bytes(model: Path) -> int:
    return sum(path.stat().st_size for path in model.glob("*.safetensors"))


async def _written(client: ServerClient, prompt: Sequence[int]) -> tuple[list[int], list[float]]:
    body = {
        "input_ids": list(prompt),
        "sampling_params": {"max_new_tokens": NUM_TOKENS, "temperature": 0.0},
        "return_logprob": True,
    }
    reader, tokens, logprobs = ReplyReader(), list[int](), list[float]()
    async with aclosing(client.generate(body)) as events:
        async for event in events:
            piece = reader.read(event)
            tokens += piece.tokens
            logprobs += piece.logprobs
    return tokens, logprobs


async def _reference(model: Path, tokens: list[int], num_prompt: int) -> list[float]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "engine.policy.sglang.agreement",
        str(model),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, errors = await child.communicate(json.dumps([tokens, num_prompt]).encode())
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    if child.returncode:
        last = errors.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
        raise PolicyError(f"the weights of {model} cannot be read to compare with: {last}")
    return [float(logprob) for logprob in json.loads(said)]


def main() -> None:
    """Answer one question."""
    import torch
    from transformers import AutoModelForCausalLM

    tokens, num_prompt = json.load(sys.stdin)
    model = AutoModelForCausalLM.from_pretrained(
        sys.argv[1], dtype=torch.float32, local_files_only=True
    )
    torch.nn.Module.eval(model)
    with torch.inference_mode():
        logprobs = model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
    wanted = torch.tensor(tokens[num_prompt:])[:, None]
    found = logprobs[num_prompt - 1 : -1].gather(-1, wanted)[:, 0]
    sys.stdout.write(json.dumps(found.tolist()))


if __name__ == "__main__":
    main()
