"""The seam between self-play and a language model.

A policy samples n completions of one prompt and streams them in chunks, each with the policy
version that produced it. One completion can be cut while the others go on. The policy can be
given new weights while it samples: tokens drawn afterwards carry the new version.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.wire.messages import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to sample; top-p and top-k are absent so that the logged policy is the sampled one."""

    n: int = 1
    """Completions of the prompt."""
    temperature: float = 1.0
    """0 is greedy."""
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    """A completion ends with the first token after which its text contains one of these."""
    seed: int | None = None
    """Makes the n completions reproducible for given weights, whatever else is being sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The next tokens of one of the n completions."""

    index: int
    """Which completion, 0 to n - 1."""
    text: str
    """Newly completed text; a completion is all of it joined, its stop string included."""
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    """log p of each token at the sampling temperature (greedy: at temperature 1)."""
    version: int
    finish: Finish | None = None
    """Set on the last chunk of a completion."""


class Generation(Protocol):
    """n completions being written: iterate over their chunks, interleaved; close when done."""

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """The chunks, once."""

    async def __anext__(self) -> Chunk:
        """The next chunk; StopAsyncIteration when every completion has ended."""

    def abort(self, index: int) -> None:
        """Have no more of one completion written.

        Its last chunk, soon, has finish ABORT; tokens written so far stay. Harmless once it ended.
        """

    async def aclose(self) -> None:
        """Abort what is unfinished and deliver nothing more."""


class Policy(Protocol):
    """A language model as self-play sees it."""

    @property
    def version(self) -> int:
        """The version that the next token will be drawn from."""

    @property
    def num_tokens(self) -> int:
        """Tokens sampled so far."""

    def tokenize(self, text: str) -> list[int]:
        """The prompt's token ids, exactly as `sample` feeds them."""

    def chat(self, user: str) -> str:
        """The model's chat template around one message of a user, up to where the reply begins.

        Raises PolicyError where the model has no template.
        """

    def sample(self, prompt: str, params: SamplingParams) -> Generation:
        """Begin n completions of a prompt."""

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Take new weights between two tokens; returns a checksum of the policy's own tensors.

        `expected` has the checksum of each tensor in the files. Raises RefusedWeights if the files
        are not so, PolicyError if they do not fit; the old weights stay, and nothing else was used.
        """

    async def close(self) -> None:
        """Stop sampling and free the model."""
