"""From records of the ring to the batch of one optimizer step.

A batch is a function of the ring's order alone: groups are taken in sequence, whole, until their
rollouts reach `batch_samples`. How fast records arrive changes nothing, so a trainer that was
killed and reads them again makes the same batches.

A rollout that cannot be learned from is rejected with a counted reason and reaches no statistic.
The tokens are a model's: here they are numbers, never text.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.wire.messages import Finish, Group, Kind, Logprobs, Role, Rollout, Tokens

Cell = tuple[Role, Kind]
"""Samples whose rewards are on one scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What the trainer sees of a rollout."""

    cell: Cell
    group: bytes
    """The group's id."""
    prompt: Tokens
    """(p,), P >= 1."""
    tokens: Tokens
    """The completion, (l,), L >= 1."""
    logprobs: Logprobs
    """log p of `tokens` under the policy that sampled them, (l,)."""
    temperature: float
    reward: float
    version: int
    """The oldest policy version that sampled some of its tokens."""
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """The samples of one optimizer step and the stretch of the ring they come from."""

    samples: tuple[Sample, ...]
    first_seq: int
    end_seq: int
    """One past the last record."""
    num_groups: int
    num_rollouts: int
    """Rollouts of those groups, rejected ones included."""
    rejected: Counter[str]
    """Rollouts and records left out, by reason."""


@dataclass(slots=True, kw_only=True)
class BatchBuilder:
    """Gathers groups until they make a batch."""

    first_seq: int
    vocab_size: int
    end_seq: int = field(init=False)
    num_groups: int = 0
    num_rollouts: int = 0
    samples: list[Sample] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.end_seq = self.first_seq

    def add(self, group: Group, *, seq: int) -> None:
        """Take the group of record `seq`; records come in order."""
        self._advance(seq)
        self.num_groups += 1
        self.num_rollouts += len(group.rollouts)
        samples, rejected = admit(group, vocab_size=self.vocab_size)
        self.samples += samples
        self.rejected += rejected

    def skip(self, reason: str, *, seq: int) -> None:
        """Pass over record `seq`, which holds no group."""
        self._advance(seq)
        self.rejected[reason] += 1

    def build(self) -> Batch:
        """The batch so far."""
        return Batch(
            samples=tuple(self.samples),
            first_seq=self.first_seq,
            end_seq=self.end_seq,
            num_groups=self.num_groups,
            num_rollouts=self.num_rollouts,
            rejected=self.rejected,
        )

    def _advance(self, seq: int) -> None:
        assert seq == self.end_seq, (seq, self.end_seq)
        self.end_seq = seq + 1


def admit(group: Group, *, vocab_size: int) -> tuple[list[Sample], Counter[str]]:
    """The samples of a group, and how many of its rollouts were rejected for which reason."""
    samples = []
    rejected: Counter[str] = Counter()
    for rollout in group.rollouts:
        reason = _objection(group, rollout, vocab_size=vocab_size)
        if reason:
            rejected[reason] += 1
        else:
            samples.append(_sample(group, rollout))
    return samples, rejected


def oldest_version(rollout: Rollout) -> int:
    """The smallest policy version among the rollout's tokens."""
    return min(version for version, count in rollout.versions if count > 0)


def _objection(group: Group, rollout: Rollout, *, vocab_size: int) -> str | None:
    """Why this rollout cannot be learned from, in a word of the metrics."""
    objections: Sequence[tuple[str, bool]] = (
        ("empty_prompt", len(group.prompt) == 0),
        ("empty_completion", len(rollout.tokens) == 0),
        ("greedy", not group.temperature > 0.0 or not np.isfinite(group.temperature)),
        ("reward_not_finite", not np.isfinite(rollout.reward)),
        ("logprob_not_finite", not np.isfinite(rollout.logprobs).all()),
        ("token_out_of_vocabulary", _largest(group.prompt, rollout.tokens) >= vocab_size),
    )
    return next((reason for reason, holds in objections if holds), None)


def _largest(*arrays: Tokens) -> int:
    return max((int(array.max()) for array in arrays if len(array)), default=0)


def _sample(group: Group, rollout: Rollout) -> Sample:
    return Sample(
        cell=(group.role, group.kind),
        group=group.group_id,
        prompt=group.prompt,
        tokens=rollout.tokens,
        logprobs=rollout.logprobs,
        temperature=group.temperature,
        reward=rollout.reward,
        version=oldest_version(rollout),
        finish=rollout.finish,
    )
