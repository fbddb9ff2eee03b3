"""From records of the rings to the batch of one optimizer step.

A batch is a stretch of each ring: groups are taken in sequence, whole, until their rollouts reach
`batch_samples`. With one ring it is a function of the ring's order alone, however fast records
arrive; with several the stretches depend on arrival, are written down (`engine.wire.ledger`), and
are all that matters, for samples are ordered by ring and number. So a trainer that was killed makes
the same batches again. Groups that came in parts are joined first, and a batch ends only where no
group is open.

A rollout that cannot be learned from is rejected with a counted reason and reaches no statistic;
so is a part whose group is not whole.
The tokens are a model's: here they are numbers, never text.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.wire.errors import QuarantinedRecord
from engine.wire.ledger import Stretch
from engine.wire.messages import Finish, Group, Kind, Logprobs, Mask, Role, Rollout, Tokens
from engine.wire.parts import Rejoiner

Cell = tuple[Role, Kind]
"""Samples whose rewards are on one scale."""

log = logging.getLogger(__name__)

_N = TypeVar("_N", bound=np.generic)


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
    mask: Mask | None = None
    """Which tokens carry loss, (l,), at least one; None: all of them."""

    @property
    def num_trained(self) -> int:
        """Tokens that carry loss."""
        return len(self.tokens) if self.mask is None else int(self.mask.sum())

    def trained(self, array_l: NDArray[_N]) -> NDArray[_N]:
        """The entries of those tokens, of an array with one for each token."""
        return array_l if self.mask is None else array_l[self.mask]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """The samples of one optimizer step and the stretches of the rings they come from."""

    samples: tuple[Sample, ...]
    stretches: Mapping[str, Stretch]
    """By ring: the first record, and one past the last; rings that gave none are left out."""
    num_groups: int
    num_rollouts: int
    """Rollouts of those groups, rejected ones included."""
    rejected: Counter[str]
    """Rollouts, records and incomplete groups left out, by reason."""


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """What one ring has given to a batch so far."""

    first_seq: int
    end_seq: int
    samples: list[Sample] = field(default_factory=list)
    rejoiner: Rejoiner = field(default_factory=Rejoiner)


@dataclass(slots=True, kw_only=True)
class BatchBuilder:
    """Gathers groups until they make a batch."""

    cursors: Mapping[str, int]
    """By ring: the first record that no batch has; rings that are not in it begin at 0."""
    vocab_size: int
    num_groups: int = 0
    num_rollouts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    _rings: dict[str, _Gathered] = field(default_factory=dict, init=False)

    @property
    def open_ring(self) -> str | None:
        """A ring of which a group lacks parts: the batch must not end before they have come."""
        opened = (name for name, ring in self._rings.items() if ring.rejoiner.is_open)
        return next(opened, None)

    def end_seq(self, ring: str) -> int:
        """The number of the ring's next record."""
        return self._of(ring).end_seq

    def add(self, group: Group, *, ring: str, seq: int) -> QuarantinedRecord | None:
        """Take the group, or part of one, of record `seq` of a ring, whose records come in order.

        Returns why it is left out, if it is no part that could have come here.
        """
        self._advance(ring, seq)
        joined = self._of(ring).rejoiner.add(group)
        if joined.lost:
            self._lose(joined.lost, ring=ring)
        if joined.refused:
            self.rejected["misplaced_part"] += 1
        if joined.group:
            self._take(joined.group, ring=ring)
        return joined.refused

    def skip(self, reason: str, *, ring: str, seq: int) -> None:
        """Pass over record `seq`, which holds no group."""
        self._advance(ring, seq)
        self.rejected[reason] += 1
        self._cut(f"record {seq}, which follows, holds no group", ring=ring)

    def build(self) -> Batch:
        """The batch so far. No record follows it if a group is open: its parts are left out."""
        for ring in self._rings:
            self._cut("no record follows", ring=ring)
        used = {name: self._rings[name] for name in sorted(self._rings, key=_natural)}
        return Batch(
            samples=tuple(sample for ring in used.values() for sample in ring.samples),
            stretches={
                name: (ring.first_seq, ring.end_seq)
                for name, ring in used.items()
                if ring.end_seq > ring.first_seq
            },
            num_groups=self.num_groups,
            num_rollouts=self.num_rollouts,
            rejected=self.rejected,
        )

    def _take(self, group: Group, *, ring: str) -> None:
        self.num_groups += 1
        self.num_rollouts += len(group.rollouts)
        samples, rejected = admit(group, vocab_size=self.vocab_size)
        self._of(ring).samples += samples
        self.rejected += rejected

    def _cut(self, reason: str, *, ring: str) -> None:
        if lost := self._of(ring).rejoiner.cut(reason):
            self._lose(lost, ring=ring)

    def _lose(self, lost: QuarantinedRecord, *, ring: str) -> None:
        log.warning("%s up to record %d: %s", ring, self._of(ring).end_seq - 1, lost)
        self.rejected["incomplete_group"] += 1

    def _advance(self, ring: str, seq: int) -> None:
        gathered = self._of(ring)
        assert seq == gathered.end_seq, (ring, seq, gathered.end_seq)
        gathered.end_seq = seq + 1

    def _of(self, ring: str) -> _Gathered:
        first = self.cursors.get(ring, 0)
        return self._rings.setdefault(ring, _Gathered(first_seq=first, end_seq=first))


def _natural(ring: str) -> tuple[int, str]:
    """ring-2 before ring-10."""
    return len(ring), ring


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
        ("all_masked", rollout.mask is not None and not rollout.mask.any()),
        ("logprob_not_finite", not np.isfinite(_trained_logprobs(rollout)).all()),
        ("token_out_of_vocabulary", _largest(group.prompt, rollout.tokens) >= vocab_size),
    )
    return next((reason for reason, holds in objections if holds), None)


def _trained_logprobs(rollout: Rollout) -> Logprobs:
    # A masked token was perhaps not sampled, and then has no log-probability.
    return rollout.logprobs if rollout.mask is None else rollout.logprobs[rollout.mask]


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
        mask=rollout.mask,
    )
