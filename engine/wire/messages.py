"""What crosses the ring: one record is one group of rollouts that are compared with each other.

The engine says what happened (tokens, log-probabilities, verdict, reward and its components); what
it is worth is the trainer's business. Arrays are read-only numpy arrays, one entry per sampled
token; the prompt is shared by all rollouts of a group and carries no loss.

Fields with a default are what a writer may leave out: None says that it is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.uint32]
Logprobs = NDArray[np.float32]
Mask = NDArray[np.bool_]
Micros = NDArray[np.uint32]

U32: Final = np.dtype("<u4")
F32: Final = np.dtype("<f4")
FLAG: Final = np.dtype(np.bool_)

MAX_ITEMS: Final = 1 << 16
"""Most rollouts of a record, and most items of any list or map in it."""


class Role(StrEnum):
    """Which hat the policy wore."""

    PROPOSER = "proposer"
    SOLVER = "solver"


class Kind(StrEnum):
    """Which part of (program, input, output) is asked for."""

    DEDUCTION = "deduction"
    ABDUCTION = "abduction"
    INDUCTION = "induction"
    ERROR = "error"
    """Error deduction: which exception a call ends with, if any. An option (AZR, appendix D.1)."""


MAIN_KINDS: Final = (Kind.DEDUCTION, Kind.ABDUCTION, Kind.INDUCTION)
"""The kinds that every run has seeds and an exam of."""


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"  # end-of-text token or a stop string
    LENGTH = "length"  # the token budget was spent
    ABORT = "abort"  # the engine cut it: it could no longer become valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the completions of a group were drawn, besides its temperature."""

    top_p: float = 1.0
    """Share of the probability that tokens were drawn from; 1 is all of it."""
    max_tokens: int | None = None
    """Token budget of one completion."""
    seed: int | None = None
    """Of all completions of the group; None: they cannot be drawn again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Who made a group, and with which weights."""

    engine: str
    """A word, unique among the engines of the run."""
    epoch: int
    """Which of the writers of the engine's ring, in the order of their takeovers."""
    checksum: str | None = None
    """Of the newest weights that tokens of the group were drawn from, as their manifest has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which piece of a group that is too large for one record."""

    index: int
    """0 to count - 1; parts follow each other in the ring."""
    count: int
    """Parts of the group."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"a part's index must be from 0 to count - 1, got {self}")


WHOLE: Final = Part(index=0, count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """How a verdict came about."""

    ms: float
    """Wall time that the judge took, milliseconds."""
    judge: str
    """What gave the verdict: a hash of the verifier, or the version of the judge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rollout:
    """One completion with its verdict and reward."""

    rollout_id: bytes
    """16 random bytes, unique for ever."""
    tokens: Tokens
    """Sampled token ids, (T,), the stop or end-of-text token included."""
    logprobs: Logprobs
    """log p of each token under the policy that sampled it, at the group's temperature, (T,)."""
    versions: tuple[tuple[int, int], ...]
    """Runs of (policy version, number of tokens); the counts sum to T."""
    reward: float
    components: Mapping[str, float]
    """What the reward was made of; names are the engine's."""
    finish: Finish
    verdict: str
    """The judge's one word."""
    mask: Mask | None = None
    """Which tokens carry loss, (T,); the others are context. None: all of them do."""
    ruling: Ruling | None = None
    """How the verdict came about."""
    timings_us: Micros | None = None
    """Microseconds from the request to the first token, to the last one and to the verdict."""

    def __post_init__(self) -> None:
        num_tokens = len(self.tokens)
        _expect(self.tokens, U32, length=num_tokens, name="tokens")
        _expect(self.logprobs, F32, length=num_tokens, name="logprobs")
        if self.mask is not None:
            _expect(self.mask, FLAG, length=num_tokens, name="mask")
        if self.timings_us is not None:
            _expect(self.timings_us, U32, length=len(self.timings_us), name="timings_us")
        num_counted = sum(count for _, count in self.versions)
        if num_counted != num_tokens:
            raise ValueError(f"versions must count {num_tokens} tokens, count {num_counted}")
        if max(len(self.versions), len(self.components)) > MAX_ITEMS:
            raise ValueError(
                f"a rollout has at most {MAX_ITEMS} versions and components, got "
                f"{len(self.versions)} and {len(self.components)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Rollouts of one prompt by one role."""

    group_id: bytes
    """16 random bytes, unique for ever."""
    role: Role
    kind: Kind
    task_id: str
    """The task that was solved; for proposers the id of the prompt's references."""
    prompt: Tokens
    """Token ids of the shared prompt, (P,)."""
    temperature: float
    """The temperature all rollouts were sampled at."""
    rollouts: tuple[Rollout, ...]
    created_ns: int
    """CLOCK_REALTIME when the group was complete."""
    parents: tuple[str, ...] = ()
    """Tasks behind it: a proposer's references, those that a solver's task was proposed after."""
    sampling: Sampling | None = None
    """How the rollouts were drawn."""
    producer: Producer | None = None
    """Who drew them."""
    part: Part = WHOLE
    """The other parts have the same `group_id`, and in all but rollouts the same fields."""

    def __post_init__(self) -> None:
        _expect(self.prompt, U32, length=len(self.prompt), name="prompt")


def _expect(
    array: NDArray[np.generic], dtype: np.dtype[np.generic], *, length: int, name: str
) -> None:
    # A silent cast would turn a -1 of an int64 array into a token id of four thousand million.
    if array.dtype != dtype or array.shape != (length,):
        raise ValueError(
            f"{name} must be a one-dimensional {dtype} array of {length}, got "
            f"{array.dtype} of shape {array.shape}; convert it where it is made"
        )
