"""The trainer's end of the ring.

Two cursors: what has been popped, and what has been committed, that is, has become durable in the
trainer. Only the second frees space, and only it outlives the process: a killed reader's successor
sees everything after the last commit again, in the same order. Delivery is thus at least once;
a trainer that keeps in its checkpoint the number up to which it has consumed, and seeks to it,
makes the effect exactly once.

One thread of one process.
"""

import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from engine.wire.errors import CorruptRecord, WireError
from engine.wire.files import exclusive
from engine.wire.ring import claim, layout
from engine.wire.ring.cursor import Cursor, load_cursor, store_cursor
from engine.wire.ring.memory import RingMemory
from engine.wire.ring.record import Entry, read_entry
from engine.wire.ring.state import RingState, load_reason, load_state

_SPINS: Final = 20
"""Yields before sleeping: about 30 us, the time a busy writer needs for its next record."""
_REREADS: Final = 100
"""Yields granted to a published record whose stores are not all visible yet (not on x86)."""
_APPEAR_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as it was pushed."""

    seq: int
    schema: int
    payload: bytes


class RingReader:
    """Pops records in order; at most one live reader a ring."""

    __slots__ = ("_floor", "_memory", "_popped", "_position", "_seq")

    def __init__(self, memory: RingMemory) -> None:
        """Take over the reader's end of a mapped ring; hold the directory's lock. See `open`."""
        claim.take(memory, claim.READER)
        self._memory = memory
        self._popped: deque[Cursor] = deque()  # where each record that is not committed ends
        self._floor = 0
        self._rewind()

    @classmethod
    def open(cls, path: Path, *, wait_s: float) -> Self:
        """Attach at the committed cursor; waits up to `wait_s` for a writer to create the ring.

        Raises WireError if it does not appear, is not a ring of this layout, is truncated, or has
        a live reader.
        """
        _await_file(path, wait_s=wait_s)
        with exclusive(path.parent):
            return cls(RingMemory(path))

    @property
    def run_id(self) -> bytes:
        """The 16 bytes of the run this ring belongs to."""
        return self._memory.read(8 * layout.RUN_ID, length=16)

    @property
    def next_seq(self) -> int:
        """The number of the next record to pop."""
        return self._seq

    @property
    def committed_seq(self) -> int:
        """Everything before this number is durable here, and no longer in the ring."""
        return load_cursor(self._memory).seq

    @property
    def depth(self) -> int:
        """Records waiting to be popped."""
        return max(0, self._memory.load(layout.NEXT_SEQ) - self._seq)

    @property
    def state(self) -> RingState:
        """How far the writer says it has got."""
        return load_state(self._memory)

    @property
    def reason(self) -> str:
        """Why the writer set that state."""
        return load_reason(self._memory)

    def pop(self, *, timeout_s: float) -> Record | None:
        """The next record; None after `timeout_s`, or at once if the ring is closed and drained.

        Sleeps in the kernel meanwhile, woken by a push. Raises CorruptRecord if what must be the
        next record is not whole.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # Before the tail: a record pushed before the ring was closed must still be seen.
            is_closed = self._memory.load(layout.STATE) == RingState.CLOSED
            tail = self._memory.load(layout.TAIL)
            while (entry := self._step()) is not None:
                if not entry.is_padding and entry.seq >= self._floor:
                    return Record(entry.seq, entry.schema, entry.payload)
            if is_closed or not self._park(tail, deadline=deadline):
                return None

    def commit(self, seq: int) -> None:
        """Everything before `seq` is durable here: free its space, never show it again.

        Numbers already committed are fine. Raises WireError beyond what has been popped.
        """
        if seq > max(self._seq, self._floor):
            raise WireError(
                f"cannot commit up to seq {seq}: popped up to {self._seq}; commit after popping"
            )
        cursor = None
        while self._popped and self._popped[0].seq <= seq:
            cursor = self._popped.popleft()
        if cursor is not None:
            store_cursor(self._memory, cursor)

    def seek(self, seq: int) -> None:
        """Go on from `seq`, which a checkpoint remembers; records before it are skipped.

        That includes records still to be pushed, as after the loss of a ring. Raises WireError
        for a number below the committed one, whose record is gone.
        """
        if seq < self.committed_seq:
            raise WireError(
                f"cannot seek to seq {seq}: the ring begins at {self.committed_seq}; the "
                "checkpoint is older than a commit: use the newest checkpoint"
            )
        self._rewind()
        self._floor = seq
        while self._seq < seq and self._step() is not None:
            pass

    def heartbeat(self) -> None:
        """Call every few seconds; without it the writer reports this reader as hung."""
        claim.beat(self._memory, claim.READER)

    def writer_alive(self) -> claim.Liveness:
        """What has become of the writer."""
        return claim.liveness(self._memory, claim.WRITER)

    def close(self) -> None:
        """Let go of the ring; popped records that are not committed will be seen again."""
        claim.give_up(self._memory, claim.READER)
        self._memory.close()

    def _rewind(self) -> None:
        self._position, self._seq = load_cursor(self._memory)
        self._popped.clear()
        self._memory.store(layout.READ_SEQ, self._seq)

    def _step(self) -> Entry | None:
        if self._memory.load(layout.TAIL) <= self._position:
            return None
        entry = self._whole_entry()
        self._position = entry.end
        if not entry.is_padding:
            self._seq = entry.seq + 1
            self._popped.append(Cursor(entry.end, self._seq))
            self._memory.store(layout.READ_SEQ, self._seq)
        return entry

    def _whole_entry(self) -> Entry:
        for _ in range(_REREADS):
            entry = read_entry(self._memory, self._position, seq=self._seq)
            if entry is not None and self._is_of_its_epoch(entry):
                return entry
            os.sched_yield()
        offset = layout.HEADER_BYTES + (self._position & (self._memory.capacity - 1))
        epoch = self._memory.load(layout.EPOCH)
        raise CorruptRecord(
            f"{self._memory.path} must have record seq {self._seq} at byte {offset} "
            f"(epoch {epoch}), what is there is not whole; stop both processes and delete the "
            "ring: the engine pushes again what was not consumed",
            offset=offset,
            seq=self._seq,
            epoch=epoch,
        )

    def _is_of_its_epoch(self, entry: Entry) -> bool:
        # A writer that was replaced and does not know it yet may still write: not with this epoch.
        epoch = self._memory.load(layout.EPOCH)
        if entry.is_padding or entry.seq < self._memory.load(layout.EPOCH_SEQ):
            return entry.epoch <= epoch
        return entry.epoch == epoch

    def _park(self, tail: int, *, deadline: float) -> bool:
        """Wait for the tail to move from `tail`; False once the deadline has passed."""
        for _ in range(_SPINS):
            if self._memory.load(layout.TAIL) != tail:
                return True
            os.sched_yield()
        left_s = deadline - time.monotonic()
        if left_s > 0:
            self._memory.wait(layout.TAIL, seen=tail, timeout_s=left_s)
        return left_s > 0


def _await_file(path: Path, *, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not path.exists():
        if time.monotonic() >= deadline:
            raise WireError(
                f"{path} did not appear within {wait_s:g} s; is the engine started on this run?"
            )
        time.sleep(_APPEAR_POLL_S)
