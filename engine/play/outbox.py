"""From the store to the ring: every group once, in order, whatever dies.

The store numbers groups with the same dense sequence as the ring numbers its records. Pushing is
therefore idempotent over kills: the rows from the ring's next number on are the ones it lacks.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.policy.protocol import Policy
from engine.tasks.rows import OutboxRow
from engine.tasks.store import TaskStore
from engine.wire import RingWriter, encode_group
from engine.wire.messages import Group, Kind, Role, Rollout


class OutboxError(Exception):
    """Store and ring do not belong together."""


def pack(
    policy: Policy,
    *,
    role: Role,
    kind: Kind,
    task_id: str,
    prompt: str,
    temperature: float,
    rollouts: Sequence[Rollout],
) -> OutboxRow:
    """A group of rollouts as one row of the outbox."""
    group = Group(
        group_id=secrets.token_bytes(16),
        role=role,
        kind=kind,
        task_id=task_id,
        prompt=np.asarray(policy.tokenize(prompt), dtype=np.uint32),
        temperature=temperature,
        rollouts=tuple(rollouts),
        created_ns=time.time_ns(),
    )
    return OutboxRow(
        group_id=group.group_id,
        role=role,
        kind=kind,
        task_id=task_id,
        num_rollouts=len(rollouts),
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
                f"the ring holds {self.ring.next_seq} groups, the task store only "
                f"{self.store.next_seq()}: they are not of one run; use another --run"
            )

    def pump(self) -> bool:
        """Push what fits; True when nothing waits. Never blocks."""
        self._forget()
        if self.ring.next_seq == self.store.next_seq():
            return True
        for row in self.store.outbox(self.ring.next_seq):
            pushed = self.ring.try_push(row.payload)
            if pushed is None:
                return False
            if pushed != row.seq:
                raise OutboxError(f"group {row.seq} became record {pushed} of the ring")
        return True

    def _forget(self) -> None:
        committed = self.ring.committed_seq
        if committed > self._forgotten:
            self.store.forget_payloads(committed)
            self._forgotten = committed
