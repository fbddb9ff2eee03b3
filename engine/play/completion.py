"""From a policy's stream of chunks to finished completions.

What is promised: every completion that ends is yielded once, as soon as it ends; its tokens,
log-probabilities and versions belong together. Closing the generator closes the policy's stream,
which aborts what is still being written.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np

from engine.policy.protocol import Chunk, Policy, SamplingParams
from engine.wire.messages import Finish, Logprobs, Tokens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completion:
    """One generation: text, tokens, log-probabilities, and the versions that wrote it."""

    index: int
    text: str
    tokens: Tokens
    logprobs: Logprobs
    versions: tuple[tuple[int, int], ...]
    finish: Finish


@dataclass(slots=True)
class _Draft:
    """A completion being written."""

    text: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    versions: list[tuple[int, int]] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.text.append(chunk.text)
        self.tokens.extend(chunk.tokens)
        self.logprobs.extend(chunk.logprobs)
        num_tokens = len(chunk.tokens)
        if self.versions and self.versions[-1][0] == chunk.version:
            num_tokens += self.versions.pop()[1]
        if num_tokens:
            self.versions.append((chunk.version, num_tokens))

    def finish(self, index: int, finish: Finish) -> Completion:
        return Completion(
            index=index,
            text="".join(self.text),
            tokens=np.asarray(self.tokens, dtype=np.uint32),
            logprobs=np.asarray(self.logprobs, dtype=np.float32),
            versions=tuple(self.versions),
            finish=finish,
        )


async def complete(
    policy: Policy, prompt: str, params: SamplingParams
) -> AsyncIterator[Completion]:
    """Yield the n completions of a prompt in the order in which they end."""
    drafts = [_Draft() for _ in range(params.n)]
    async with aclosing(policy.sample(prompt, params)) as chunks:  # type: ignore[type-var]  # an async generator in every policy
        async for chunk in chunks:
            draft = drafts[chunk.index]
            draft.add(chunk)
            if chunk.finish is not None:
                yield draft.finish(chunk.index, chunk.finish)
