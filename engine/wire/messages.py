"""What crosses the ring: one record is one group of rollouts that are compared with each other.

The engine says what happened (tokens, log-probabilities, verdict, reward and its components); what
it is worth is the trainer's business. Arrays are read-only numpy arrays, one entry per sampled
token; the prompt is shared by all rollouts of a group and carries no loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.uint32]
Logprobs = NDArray[np.float32]


class Role(StrEnum):
    """Which hat the policy wore."""

    PROPOSER = "proposer"
    SOLVER = "solver"


class Kind(StrEnum):
    """Which part of (program, input, output) is asked for."""

    DEDUCTION = "deduction"
    ABDUCTION = "abduction"
    INDUCTION = "induction"


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"  # end-of-text token or a stop string
    LENGTH = "length"  # the token budget was spent
    ABORT = "abort"  # the engine cut it: it could no longer become valid


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

    def __post_init__(self) -> None:
        num_tokens = len(self.tokens)
        if len(self.logprobs) != num_tokens or sum(n for _, n in self.versions) != num_tokens:
            raise ValueError(
                f"a rollout of {num_tokens} tokens needs as many logprobs and versions, got "
                f"{len(self.logprobs)} and {self.versions}"
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
