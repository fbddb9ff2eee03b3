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
from itertools import accumulate, count, islice
from pathlib import Path
from typing import Final, Self

from engine.wire.errors import CorruptRecord, WireError
from engine.wire.files import exclusive
from engine.wire.ring import claim, layout
from engine.wire.ring.cursor import Cursor, load_cursor, store_cursor
from engine.wire.ring.doorbell import Doorbell
from engine.wire.ring.memory import RingMemory
from engine.wire.ring.record import Entry, Record
from engine.wire.ring.state import RingState, load_reason, load_state

_SPINS: Final = 20
"""Yields before sleeping: about 30 us, the time a busy writer needs for its next record."""
_REREADS: Final = 100
"""Yields granted to a published record whose stores are not all visible yet (not on x86)."""
_APPEAR_POLL_S: Final = 0.05


class RingReader:
    """Pops records in order; at most one live reader a ring."""

    __slots__ = ("_bell", "_floor", "_memory", "_popped", "_position", "_seq")

    def __init__(self, memory: RingMemory) -> None:
        """Take over the reader's end of a mapped ring; hold the directory's lock. See `open`."""
        self._bell = Doorbell(memory.path)
        claim.take(memory, claim.READER)
        self._memory = memory
        self._popped: deque[tuple[int, int]] = deque()
        """Of each record that is not committed: where it ends, and the number after it."""
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
    def path(self) -> Path:
        """The ring's file."""
        return self._memory.path

    @property
    def capacity(self) -> int:
        """Bytes of records that the ring holds at most."""
        return self._memory.capacity

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
    def memory(self) -> RingMemory:
        """The mapping, for waiting on several rings at once."""
        return self._memory

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
        records = self.pop_many(1, timeout_s=timeout_s)
        return records[0] if records else None

    def pop_many(self, most: int, *, timeout_s: float) -> list[Record]:
        """The next records, at least one and at most `most`; [] where `pop` gives None.

        It waits for the first one only. Raises CorruptRecord like `pop`, once the whole records
        before the damage have been given.
        """
        memory, deadline = self._memory, 0.0
        while True:
            # Before the tail: a record pushed before the ring was closed must still be seen.
            is_closed = memory.load(layout.STATE) == RingState.CLOSED
            tail = memory.load(layout.TAIL)
            if memory.fence:
                memory.fence()
            records = self._take(most, tail=tail) if tail > self._position else []
            if records or is_closed:
                return records
            deadline = deadline or time.monotonic() + timeout_s
            if not self._park(tail, deadline=deadline):
                return []

    def commit(self, seq: int) -> None:
        """Everything before `seq` is durable here: free its space, never show it again.

        Numbers already committed are fine. Raises WireError beyond what has been popped.
        """
        if seq > max(self._seq, self._floor):
            raise WireError(
                f"cannot commit up to seq {seq}: popped up to {self._seq}; commit after popping"
            )
        cursor = None
        while self._popped and self._popped[0][1] <= seq:
            cursor = self._popped.popleft()
        if cursor is not None:
            store_cursor(self._memory, Cursor(*cursor))
            if self._memory.load(layout.WANTS_SPACE):
                self._bell.ring()

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
        tail = self._memory.load(layout.TAIL)
        while self._seq < seq and self._position < tail:
            self._step()
        self._memory.store(layout.READ_SEQ, self._seq)

    def heartbeat(self) -> None:
        """Call every few seconds; without it the writer reports this reader as hung.

        Raises WireError if the file was deleted or replaced meanwhile.
        """
        self._memory.check_in_place()
        claim.beat(self._memory, claim.READER)

    def writer_alive(self) -> claim.Liveness:
        """What has become of the writer."""
        return claim.liveness(self._memory, claim.WRITER)

    def close(self) -> None:
        """Let go of the ring; popped records that are not committed will be seen again."""
        claim.give_up(self._memory, claim.READER)
        self._bell.close()
        self._memory.close()

    def _rewind(self) -> None:
        self._position, self._seq = load_cursor(self._memory)
        self._popped.clear()
        self._memory.store(layout.READ_SEQ, self._seq)

    def _take(self, most: int, *, tail: int) -> list[Record]:
        """Up to `most` records that lie before `tail`."""
        records: list[Record] = []
        while len(records) < most and self._position < tail:
            if self._seq >= self._floor and (run := self._run(most - len(records), tail=tail)):
                records += run
                continue
            try:
                entry = self._step()
            except CorruptRecord:
                if records:
                    break  # those first; the damage is still there for the next call
                raise
            if not entry.is_padding and entry.record.seq >= self._floor:
                records.append(entry.record)
        self._memory.store(layout.READ_SEQ, self._seq)
        return records

    def _run(self, most: int, *, tail: int) -> list[Record]:
        """Pop what lies in a row and is of the newest epoch; [] if the next entry is not."""
        epoch = self._memory.load(layout.EPOCH)
        records, sizes = self._memory.run(
            self._position, tail=tail, seq=self._seq, epoch=epoch, most=most
        )
        if records:
            ends = islice(accumulate(sizes, initial=self._position), 1, None)
            self._popped.extend(zip(ends, count(self._seq + 1)))  # one is endless
            self._position, self._seq = self._popped[-1]
        return records

    def _step(self) -> Entry:
        """Pass over the entry at the position; there must be one."""
        entry = self._whole_entry()
        self._position += entry.size
        if not entry.is_padding:
            self._seq = entry.record.seq + 1
            self._popped.append((self._position, self._seq))
        return entry

    def _whole_entry(self) -> Entry:
        for _ in range(_REREADS):
            entry = self._memory.entry(self._position, seq=self._seq)
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
        if entry.record.epoch == epoch:
            return True
        is_earlier = entry.is_padding or entry.record.seq < self._memory.load(layout.EPOCH_SEQ)
        return is_earlier and entry.record.epoch < epoch

    def _park(self, tail: int, *, deadline: float) -> bool:
        """Wait for the tail to move from `tail`; False once the deadline has passed."""
        for _ in range(_SPINS):
            if self._memory.load(layout.TAIL) != tail:
                return True
            os.sched_yield()
        left_s = deadline - time.monotonic()
        if left_s > 0:
            self._memory.wait(tail=tail, timeout_s=left_s)
        return left_s > 0


def _await_file(path: Path, *, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not path.exists():
        if time.monotonic() >= deadline:
            raise WireError(
                f"{path} did not appear within {wait_s:g} s; is the engine started on this run?"
            )
        time.sleep(_APPEAR_POLL_S)
