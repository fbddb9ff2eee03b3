"""The engine's end of the ring.

`try_push` never waits: when the ring is full it says so and the caller tries again later, which
is the back-pressure; `space` is how a caller in an event loop waits for that later. A record is
visible to the reader after the last store of `try_push`, and survives a kill of either process from
its commit word on: the next writer walks the records from the committed cursor and finds it. Hence
`next_seq` is always one past the last committed record, and a caller that numbers its own durable
copies alike can push what is missing.

One thread of one process. Every takeover raises the epoch; a writer that finds another epoch in
the header has been replaced and refuses to write.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from engine.wire.codec import GROUP_SCHEMA
from engine.wire.errors import WireError
from engine.wire.files import exclusive
from engine.wire.ring import claim, layout
from engine.wire.ring.cursor import load_cursor
from engine.wire.ring.doorbell import Doorbell
from engine.wire.ring.memory import RingMemory, create_file
from engine.wire.ring.record import Record
from engine.wire.ring.recovery import MAX_UNANNOUNCED, check_same_ring, recover
from engine.wire.ring.state import RingState, load_reason, load_state, store_state

_SMALL: Final = 1 << 14
"""Up to here records are joined and copied at once: one more copy is cheaper than one more call."""
_RECHECK_S: Final = 0.02
"""A doorbell may be missed once: `space` looks again after this long."""


class RingWriter:
    """Appends records; at most one live writer a ring."""

    __slots__ = ("_bell", "_epoch", "_free_from", "_memory", "_next_seq", "_tail", "_token")

    def __init__(self, memory: RingMemory, *, first_seq: int = 0) -> None:
        """Take over the writer's end of a mapped ring; hold the directory's lock. See `open`."""
        self._memory, self._token = memory, claim.displace(memory, claim.WRITER)
        end = recover(memory, is_rebooted=claim.was_before_boot(memory, claim.WRITER))
        if end.seq < first_seq:
            raise WireError(
                f"{memory.path} ends at seq {end.seq}, the writer begins at {first_seq}: the "
                "ring lost records that had been consumed (power failure?); delete it, a new "
                "one is made"
            )
        self._bell = Doorbell(memory.path)
        self._tail, self._next_seq = end
        self._free_from = load_cursor(memory).position
        self._epoch = memory.load(layout.EPOCH) + 1
        memory.store(layout.EPOCH_SEQ, end.seq)
        memory.store(layout.EPOCH, self._epoch)
        store_state(memory, RingState.OPEN, reason="")
        self._announce()
        # Last: until the tail says what recovery found, the claim must say that there was a reboot.
        claim.sign(memory, claim.WRITER)

    @classmethod
    def open(cls, path: Path, *, capacity: int, run_id: bytes, first_seq: int = 0) -> Self:
        """Create the ring, or attach and recover it.

        `capacity` is in bytes, a power of two. `run_id` is 16 bytes. `first_seq` is the lowest
        sequence number the caller can push: a new ring starts there. Raises WireError if a live
        writer holds the ring, or it is another run's, of another capacity or layout, damaged, or
        ends before `first_seq`.
        """
        if len(run_id) != 16:
            raise ValueError(f"run_id must be 16 bytes, got {len(run_id)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.parent):
            if not path.exists():
                create_file(path, capacity=capacity, run_id=run_id, first_seq=first_seq)
            memory = RingMemory(path)
            check_same_ring(memory, capacity=capacity, run_id=run_id)
            return cls(memory, first_seq=first_seq)

    @property
    def next_seq(self) -> int:
        """The number the next record will get."""
        return self._next_seq

    @property
    def committed_seq(self) -> int:
        """Everything before this number is durable in the reader's process."""
        return load_cursor(self._memory).seq

    @property
    def read_seq(self) -> int:
        """Everything before this number has been popped, perhaps not for good."""
        return self._memory.load(layout.READ_SEQ)

    @property
    def depth(self) -> int:
        """Records in the ring: pushed and not committed by the reader."""
        return self._next_seq - self.committed_seq

    @property
    def state(self) -> RingState:
        """What the reader has been told last."""
        return load_state(self._memory)

    @property
    def reason(self) -> str:
        """The words that went with the state."""
        return load_reason(self._memory)

    @property
    def free_bytes(self) -> int:
        """Bytes not occupied; a payload needs 32 more than its length, and may need padding."""
        return self._memory.capacity - (self._tail - load_cursor(self._memory).position)

    @property
    def max_payload(self) -> int:
        """The longest payload this ring takes, bytes: an eighth of its capacity."""
        return self._memory.longest

    @property
    def epoch(self) -> int:
        """How many writers this ring has had, this one included; every record carries it."""
        return self._epoch

    def try_push(self, payload: bytes, *, schema: int = GROUP_SCHEMA) -> int | None:
        """Append one record and return its number, or None if there is no room now.

        Raises WireError for a payload above capacity / 8, or if another writer took over.
        """
        self._check_may_push(len(payload))
        if not self._append(payload, schema=schema):
            return None
        self._announce()
        return self._next_seq - 1

    def try_push_many(self, payloads: Sequence[bytes], *, schema: int = GROUP_SCHEMA) -> int:
        """Append as many as there is room for, in order; returns how many that was.

        The reader is woken once for many; a kill in between leaves a whole number of records.
        Raises like `try_push`, before anything is pushed.
        """
        self._check_may_push(max(map(len, payloads), default=0))
        done = 0
        while done < len(payloads):
            pushed = self._append_run(payloads[done : done + MAX_UNANNOUNCED], schema=schema)
            if not pushed:
                pushed = int(self._append(payloads[done], schema=schema))
            if not pushed:
                break
            self._announce()
            done += pushed
        return done

    async def space(self, *, timeout_s: float) -> None:
        """Return soon after the reader has freed space, or after `timeout_s`. Never blocks a loop.

        Call it after a push that found no room; space that was freed since then is not missed.
        """
        memory, deadline = self._memory, time.monotonic() + timeout_s
        memory.store(layout.WANTS_SPACE, 1)
        try:
            while load_cursor(memory).position == self._free_from:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return
                await self._bell.rung(timeout_s=min(left_s, _RECHECK_S))
        finally:
            memory.store(layout.WANTS_SPACE, 0)

    def set_state(self, state: RingState, reason: str = "") -> None:
        """Tell the reader how far this run has got, and why. WireError if another took over."""
        self._check_is_ours()
        store_state(self._memory, state, reason=reason)
        self._memory.wake()

    def heartbeat(self) -> None:
        """Call every few seconds; without it the reader reports this writer as hung.

        Raises WireError if the file was deleted or replaced meanwhile.
        """
        self._memory.check_in_place()
        if self._is_ours():
            claim.beat(self._memory, claim.WRITER)

    def reader_alive(self) -> claim.Liveness:
        """What has become of the reader."""
        return claim.liveness(self._memory, claim.READER)

    def close(self, state: RingState = RingState.CLOSED, reason: str = "") -> None:
        """Set the last state and let go of the ring; its records stay."""
        if self._is_ours():  # otherwise both are another writer's
            self.set_state(state, reason)
            claim.give_up(self._memory, claim.WRITER)
        self._bell.close()
        self._memory.close()

    def _append(self, payload: bytes, *, schema: int) -> bool:
        """Write and commit one record, behind padding if it must begin a lap; False: no room."""
        size = layout.record_size(len(payload))
        room = self._room_in_lap()
        if not self._has_space(size if size <= room else room + size):
            return False
        if size > room:
            self._write(b"", schema=schema, commit=layout.PADDING | room)
            self._tail += room
        self._write(payload, schema=schema, commit=len(payload) + 1)
        self._tail += size
        self._next_seq += 1
        return True

    def _append_run(self, payloads: Sequence[bytes], *, schema: int) -> int:
        """Write the small records at the head of `payloads` that fit without padding, as one."""
        room, size, first = self._room_in_lap(), 0, self._next_seq
        records: list[Record] = []
        for payload in payloads:
            more = layout.record_size(len(payload))
            if len(payload) > _SMALL or size + more > room or not self._has_space(size + more):
                break
            records.append(Record(first + len(records), schema, self._epoch, payload))
            size += more
        if records:
            framed = self._memory.framing.frame(records, is_written=False)
            self._commit(framed, commit=len(records[0].payload) + 1)
            self._tail += size
            self._next_seq += len(records)
        return len(records)

    def _write(self, payload: bytes, *, schema: int, commit: int) -> None:
        record = Record(self._next_seq, schema, self._epoch, payload)
        header = self._memory.framing.header(record, commit=commit)
        if len(payload) <= _SMALL:
            self._commit(header + payload, commit=commit)
            return
        offset = self._offset() + layout.RECORD_BYTES
        self._memory.copy(offset - layout.RECORD_BYTES, header)
        self._memory.copy(offset, payload)
        self._commit(b"", commit=commit)

    def _commit(self, framed: bytes, *, commit: int) -> None:
        """Copy bytes whose first word says `not written`, then make that word say `written`.

        With the first record all that lie behind it become records: nobody looks there before.
        """
        memory, offset = self._memory, self._offset()
        if framed:
            memory.copy(offset, framed)
        if memory.fence:
            memory.fence()
        memory.store(offset >> 3, commit)

    def _announce(self) -> None:
        memory = self._memory
        self._check_is_ours()  # again: the words below are the successor's by now if it is not
        memory.store(layout.NEXT_SEQ, self._next_seq)
        if memory.fence:
            memory.fence()
        memory.store(layout.TAIL, self._tail)
        memory.wake()

    def _offset(self) -> int:
        return layout.HEADER_BYTES + (self._tail & (self._memory.capacity - 1))

    def _room_in_lap(self) -> int:
        return self._memory.capacity - (self._tail & (self._memory.capacity - 1))

    def _has_space(self, size: int) -> bool:
        capacity = self._memory.capacity
        if self._tail + size - self._free_from <= capacity:
            return True
        self._free_from = load_cursor(self._memory).position
        return self._tail + size - self._free_from <= capacity

    def _check_may_push(self, length: int) -> None:
        memory = self._memory
        if length > memory.longest:
            raise WireError(
                f"a payload may have {memory.longest} bytes (an eighth of the ring), got "
                f"{length}; make the ring larger or the group smaller"
            )
        self._check_is_ours()

    def _is_ours(self) -> bool:
        return claim.is_held(self._memory, claim.WRITER, token=self._token)

    def _check_is_ours(self) -> None:
        if not self._is_ours():
            epoch = self._memory.load(layout.EPOCH)
            raise WireError(
                f"{self._memory.path} has been taken over by another writer (this one was epoch "
                f"{self._epoch}, it is at {epoch}); this process must stop"
            )
