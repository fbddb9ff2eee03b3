"""The seam between self-play and a language model.

A policy samples n completions of one prompt and streams them in chunks, each with the policy
version that produced it. It can be given new weights while it samples: tokens drawn afterwards
carry the new version.
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

    def sample(self, prompt: str, params: SamplingParams) -> AsyncIterator[Chunk]:
        """Stream n completions, interleaved; closing the iterator aborts what is unfinished."""

    async def load(
        self, directory: Path, version: int, *, expected: Mapping[str, str] | None = None
    ) -> str:
        """Take new weights between two tokens; returns a checksum of the policy's own tensors.

        `expected` has the checksum of each tensor in the files. Raises RefusedWeights if the files
        are not so, PolicyError if they do not fit; the old weights stay, and nothing else was used.
        """

    async def close(self) -> None:
        """Stop sampling and free the model."""
