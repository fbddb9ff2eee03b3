"""A policy whose replies are written beforehand.

It streams, aborts, versions and takes weights like a model and costs next to nothing, so it
measures everything but the model, and it makes what the rest of self-play does reproducible. Its
tokens are the bytes of the text plus one that ends it; its log-probabilities are a constant.

It does not imitate a model's timing.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from engine.policy.errors import PolicyError
from engine.policy.protocol import Chunk, SamplingParams
from engine.policy.tensor_files import file_checksums
from engine.policy.text import TextStream
from engine.wire.manifest import combine_checksums
from engine.wire.messages import Finish

END_TOKEN = 256
LOGPROB = -0.125
"""Of every token; exact in binary, so sums of it are too."""

Script = Callable[[str], Sequence[str]] | Mapping[str, Sequence[str]]
"""Prompt to replies; completion i of a request is reply i, modulo their number."""

_Step = tuple[int, str, Finish | None]
_Steps = tuple[_Step, ...]


class ScriptedPolicy:
    """A `Policy` that recites. Deterministic: the seed and the temperature change nothing."""

    def __init__(self, script: Script, *, version: int = 0, chunk_bytes: int = 16) -> None:
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes must be at least 1, got {chunk_bytes}")
        self._script = script
        self._version = version
        self._chunk_bytes = chunk_bytes
        self._num_tokens = 0

    @property
    def num_tokens(self) -> int:
        """Tokens recited so far."""
        return self._num_tokens

    @property
    def version(self) -> int:
        """The version that the next token will carry."""
        return self._version

    def tokenize(self, text: str) -> list[int]:
        """The text's UTF-8 bytes."""
        return list(text.encode())

    def chat(self, user: str) -> str:
        """The message, marked as one, so that a script can tell it from a plain prompt."""
        return f"<user>{user}</user>\n"

    def sample(self, prompt: str, params: SamplingParams) -> "Recital":
        """Recite n completions, a chunk of each in turn."""
        replies = self._replies(prompt)
        return Recital(
            self,
            [
                _recite(replies[index % len(replies)], params.stop, params.max_tokens)
                for index in range(params.n)
            ],
        )

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Carry `version` from the next chunk on.

        It has no tensors of its own: the checksum is that of the files' tensors as they were read.
        """
        checksums = await asyncio.to_thread(file_checksums, directory, expected)
        self._version = version
        return combine_checksums(checksums)

    async def close(self) -> None:
        """Nothing to free."""

    def _replies(self, prompt: str) -> Sequence[str]:
        script = self._script
        replies = script.get(prompt, ()) if isinstance(script, Mapping) else script(prompt)
        if not replies:
            raise PolicyError(f"the script has no reply to the prompt that ends {prompt[-60:]!r}")
        return replies

    def recite(self, steps: _Steps, index: int, finish: Finish | None) -> Chunk:
        """These tokens as the next chunk of a completion, in the version of now."""
        tokens = tuple(token for token, _, _ in steps)
        self._num_tokens += len(tokens)
        return Chunk(
            index=index,
            text="".join(piece for _, piece, _ in steps),
            tokens=tokens,
            logprobs=(LOGPROB,) * len(tokens),
            version=self._version,
            finish=finish,
        )

    @property
    def chunk_bytes(self) -> int:
        """Tokens of a chunk."""
        return self._chunk_bytes


class Recital:
    """Completions that are recited; see `Generation`."""

    def __init__(self, policy: ScriptedPolicy, texts: Sequence[_Steps]) -> None:
        self._policy = policy
        self._texts = list(texts)
        self._aborted: set[int] = set()
        self._ended: set[int] = set()
        self._chunks = self._recite()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self._chunks

    async def __anext__(self) -> Chunk:
        return await self._chunks.__anext__()

    def abort(self, index: int) -> None:
        """Recite no more of one completion."""
        if index not in self._ended:
            self._aborted.add(index)

    async def aclose(self) -> None:
        """Recite nothing more."""
        await self._chunks.aclose()

    async def _recite(self) -> AsyncGenerator[Chunk, None]:
        size = self._policy.chunk_bytes
        for start in range(0, max(map(len, self._texts)), size):
            for index, steps in enumerate(self._texts):
                if start < len(steps) and index not in self._ended:
                    yield self._next(index, steps[start : start + size], len(steps) - start)
            await asyncio.sleep(0)  # a model would let others run, too

    def _next(self, index: int, steps: _Steps, num_left: int) -> Chunk:
        if index in self._aborted:
            self._ended.add(index)
            return self._policy.recite((), index, Finish.ABORT)
        finish = steps[-1][2] if len(steps) == num_left else None
        if finish:
            self._ended.add(index)
        return self._policy.recite(steps, index, finish)


@lru_cache(maxsize=1024)  # a script has few replies and recites them often
def _recite(reply: str, stop: tuple[str, ...], max_tokens: int) -> _Steps:
    """The reply's tokens with the text that each completes, up to where sampling would end."""
    stream = TextStream(_decode, stop=stop)
    recital: list[_Step] = []
    for token in [*reply.encode(), END_TOKEN]:
        piece = stream.push(token)
        finish = Finish.LENGTH if len(recital) + 1 >= max_tokens else None
        if token == END_TOKEN or stream.stopped:
            finish = Finish.STOP
        recital.append((token, piece + stream.flush() if finish else piece, finish))
        if finish:
            break
    return tuple(recital)


def _decode(tokens: Sequence[int]) -> str:
    return bytes(token for token in tokens if token != END_TOKEN).decode(errors="replace")
