"""From the store to the ring: every group once, in order, whatever dies.

The store numbers groups with the same dense sequence as the ring numbers its records; a group that
is too large for one record is several rows and as many records, one after the other. Pushing is
therefore idempotent over kills: the rows from the ring's next number on are the ones it lacks.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.policy.protocol import Policy, SamplingParams
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import RingWriter, encode_group, split_group
from engine.wire.messages import Group, Kind, Producer, Role, Rollout, Sampling

BATCH_ROWS: Final = 64
"""Rows that are read from the store and pushed at once."""
MAX_PARTS: Final = 2
"""Records of one group, each up to an eighth of the ring. A trainer without a journal holds them
all uncommitted, and beside them a quarter of the ring for a batch and one that waits for a
checkpoint."""


class OutboxError(Exception):
    """Store and ring do not belong together, or a group does not fit in them."""


def pack(
    policy: Policy,
    *,
    group_id: bytes,
    role: Role,
    kind: Kind,
    task_id: str,
    parents: Sequence[str],
    prompt: str,
    params: SamplingParams,
    rollouts: Sequence[Rollout],
    producer: Callable[[int], Producer],
    limit: int,
) -> list[OutboxRow]:
    """A group of rollouts as rows of the outbox, each a record of at most `limit` bytes.

    `producer` says who made it, given the newest version that tokens of it were drawn from.
    Raises OutboxError for a group of more than `MAX_PARTS` records, and WireError if one rollout
    does not fit in one.
    """
    group = Group(
        group_id=group_id,
        role=role,
        kind=kind,
        task_id=task_id,
        parents=tuple(parents),
        prompt=np.asarray(policy.tokenize(prompt), dtype=np.uint32),
        temperature=params.temperature,
        sampling=Sampling(max_tokens=params.max_tokens, seed=params.seed),
        producer=producer(_newest_version(rollouts, policy)),
        rollouts=tuple(rollouts),
        created_ns=time.time_ns(),
    )
    parts = split_group(group, limit=limit)
    if len(parts) > MAX_PARTS:
        raise OutboxError(
            f"a group of {len(rollouts)} rollouts takes {len(parts)} records of {limit} bytes, at "
            f"most {MAX_PARTS} may wait for each other; lower engine.proposals or "
            "engine.solver_rollouts, or the token budgets"
        )
    return [_row(part) for part in parts]


def _newest_version(rollouts: Sequence[Rollout], policy: Policy) -> int:
    seen = (version for rollout in rollouts for version, _ in rollout.versions)
    return max(seen, default=policy.version)


def _row(group: Group) -> OutboxRow:
    return OutboxRow(
        group_id=group.group_id,
        part=group.part.index,
        role=group.role,
        kind=group.kind,
        task_id=group.task_id,
        num_rollouts=len(group.rollouts),
        payload=encode_group(group),
    )


@dataclass(slots=True)
class Outbox:
    """Moves rows from the store into the ring. One owner."""

    store: TaskStore
    ring: RingWriter
    _forgotten: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.ring.next_seq > self.store.next_seq():
            raise OutboxError(
                f"the ring holds {self.ring.next_seq} records, the task store only "
                f"{self.store.next_seq()}: they are not of one run; use another --run"
            )

    def pump(self) -> bool:
        """Push what fits; True when nothing waits. Never blocks."""
        self._forget()
        while (seq := self.ring.next_seq) < self.store.next_seq():
            rows = list(self.store.outbox(seq, most=BATCH_ROWS))
            found = [row.seq for row in rows]
            if not rows or found != list(range(seq, seq + len(rows))):
                raise OutboxError(
                    f"the ring goes on at record {seq}, the store has rows {found[:3]}; the store "
                    "was edited, or the ring is another run's: use another --run"
                )
            if self.ring.try_push_many([row.payload for row in rows]) < len(rows):
                return False
        return True

    async def pause(self, timeout_s: float) -> None:
        """Wait that long; less if rows wait for room in the ring and the trainer makes some."""
        if self.ring.next_seq < self.store.next_seq():
            await self.ring.space(timeout_s=timeout_s)
        else:
            await asyncio.sleep(timeout_s)

    def _forget(self) -> None:
        committed = self.ring.committed_seq
        if committed > self._forgotten:
            self.store.forget_payloads(committed)
            self._forgotten = committed
