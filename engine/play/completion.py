"""From a policy's stream of chunks to finished completions, read while they are written.

What is promised: every completion that ends is yielded once, as soon as it ends; its tokens,
log-probabilities and versions belong together. A completion whose reader says that nothing could
still make it valid is cut there and then. Closing the generator closes the policy's stream, which
aborts what is still being written.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from engine.policy.protocol import Chunk, Generation, Policy, SamplingParams
from engine.wire.messages import Finish, Logprobs, Rollout, Tokens


class Reader(Protocol):
    """Reads one completion piece by piece."""

    @property
    def hopeless(self) -> str | None:
        """Why nothing that may follow makes it valid, or None."""

    def feed(self, piece: str) -> None:
        """Take the next piece."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completion:
    """One generation: text, tokens, log-probabilities, and the versions that wrote it."""

    index: int
    text: str
    tokens: Tokens
    logprobs: Logprobs
    versions: tuple[tuple[int, int], ...]
    finish: Finish
    first_us: int = 0
    """Microseconds from the request to the first token."""
    last_us: int = 0
    """Microseconds from the request to the last token."""

    @property
    def version(self) -> int | None:
        """The newest version that drew a token of it; None if there is none."""
        return max((version for version, _ in self.versions), default=None)

    def rollout(
        self,
        name: bytes,
        *,
        reward: float,
        components: Mapping[str, float],
        verdict: str,
        verdict_us: int | None = None,
    ) -> Rollout:
        """The completion as the trainer sees it, with what was made of it."""
        timings = [self.first_us, self.last_us]
        if verdict_us is not None:
            timings.append(verdict_us)
        return Rollout(
            rollout_id=name,
            tokens=self.tokens,
            logprobs=self.logprobs,
            versions=self.versions,
            reward=reward,
            components=components,
            finish=self.finish,
            verdict=verdict,
            timings_us=np.minimum(timings, 0xFFFF_FFFF).astype(np.uint32),
        )


@dataclass(slots=True, eq=False)
class Draft:
    """A completion being written; it is closed, and then ended, once."""

    index: int
    reader: Reader | None
    generation: Generation
    is_closed: bool = False
    """What was asked for is there, whatever follows; or the completion has ended."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    completion: Completion | None = None
    """Once it has ended."""
    started: float = field(default_factory=time.monotonic)
    _first: float | None = None
    _text: list[str] = field(default_factory=list)
    _tokens: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)
    _versions: list[tuple[int, int]] = field(default_factory=list)

    @property
    def version(self) -> int | None:
        """The newest version that drew a token of it so far; None if there is none."""
        return max((version for version, _ in self._versions), default=None)

    def abort(self) -> None:
        """Have no more of it written; harmless once it has ended."""
        if not self.ended.is_set():
            self.generation.abort(self.index)

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk of it."""
        self._first = self._first or time.monotonic()
        self._text.append(chunk.text)
        self._tokens.extend(chunk.tokens)
        self._logprobs.extend(chunk.logprobs)
        num_tokens = len(chunk.tokens)
        if self._versions and self._versions[-1][0] == chunk.version:
            num_tokens += self._versions.pop()[1]
        if num_tokens:
            self._versions.append((chunk.version, num_tokens))
        if self.reader is not None and chunk.text:
            self.reader.feed(chunk.text)

    def finish(self, finish: Finish) -> Completion:
        """The completion, which ends with the last chunk that was added."""
        now = time.monotonic()
        self.completion = Completion(
            index=self.index,
            text="".join(self._text),
            tokens=np.asarray(self._tokens, dtype=np.uint32),
            logprobs=np.asarray(self._logprobs, dtype=np.float32),
            versions=tuple(self._versions),
            finish=finish,
            first_us=round(1e6 * ((self._first or now) - self.started)),
            last_us=round(1e6 * (now - self.started)),
        )
        self.is_closed = True
        self.ended.set()
        return self.completion


Closed = Callable[[Draft], bool]
"""Whether what was asked for is there, whatever follows."""


def _is_never_closed(_: Draft) -> bool:
    return False


async def write(
    policy: Policy,
    prompt: str,
    params: SamplingParams,
    *,
    readers: Sequence[Reader] = (),
    is_closed: Closed = _is_never_closed,
    cut: bool = True,
) -> AsyncGenerator[Draft, None]:
    """Write n completions; yields each draft when it closes, and once more when it ends.

    One that never closes, or closes with its last chunk, is yielded once. `cut` says whether a
    hopeless one is aborted; its draft ends soon after, with `Finish.ABORT`.
    """
    generation = policy.sample(prompt, params)
    drafts = [
        Draft(index, readers[index] if readers else None, generation) for index in range(params.n)
    ]
    async with aclosing(generation) as chunks:
        async for chunk in chunks:
            draft = drafts[chunk.index]
            draft.add(chunk)
            if chunk.finish is not None:
                draft.finish(chunk.finish)
                yield draft
                continue
            if cut and draft.reader is not None and draft.reader.hopeless:
                draft.abort()
            elif not draft.is_closed and is_closed(draft):
                draft.is_closed = True
                yield draft
