"""The engine's end of the ring.

`try_push` never waits: when the ring is full it says so and the caller tries again later, which
is the back-pressure. A record is visible to the reader after the last store of `try_push`, and
survives a kill of either process from the store before that one: the next writer walks the
records from the committed cursor and finds it. Hence `next_seq` is always one past the last
committed record, and a caller that numbers its own durable copies alike can push what is missing.

One thread of one process. Every takeover raises the epoch; a writer that finds another epoch in
the header has been replaced and refuses to write.
"""

import logging
from pathlib import Path
from typing import Self

from engine.wire.codec import GROUP_SCHEMA
from engine.wire.errors import WireError
from engine.wire.files import exclusive
from engine.wire.ring import claim, layout
from engine.wire.ring.cursor import Cursor, load_cursor
from engine.wire.ring.memory import RingMemory, create_file
from engine.wire.ring.record import Tag, read_entry, write_padding, write_record
from engine.wire.ring.state import RingState, load_reason, load_state, store_state

_log = logging.getLogger(__name__)


class RingWriter:
    """Appends records; at most one live writer a ring."""

    __slots__ = ("_epoch", "_free_from", "_memory", "_next_seq", "_tail")

    def __init__(self, memory: RingMemory, *, first_seq: int = 0) -> None:
        """Take over the writer's end of a mapped ring; hold the directory's lock. See `open`."""
        is_rebooted = claim.was_before_boot(memory, claim.WRITER)
        claim.take(memory, claim.WRITER)
        try:
            end = recover(memory, is_rebooted=is_rebooted)
            _check_joins(memory, end, first_seq=first_seq)
        except WireError:
            claim.give_up(memory, claim.WRITER)
            raise
        self._memory = memory
        self._tail, self._next_seq = end
        self._free_from = load_cursor(memory).position
        self._epoch = memory.load(layout.EPOCH) + 1
        memory.store(layout.EPOCH_SEQ, end.seq)
        memory.store(layout.EPOCH, self._epoch)
        store_state(memory, RingState.OPEN, reason="")
        memory.store(layout.NEXT_SEQ, end.seq)
        memory.store(layout.TAIL, end.position)
        memory.wake(layout.TAIL)

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
                words = _founding_words(capacity, run_id=run_id, first_seq=first_seq)
                create_file(path, capacity=capacity, words=words)
            memory = RingMemory(path)
            _check_same_ring(memory, capacity=capacity, run_id=run_id)
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

    def try_push(self, payload: bytes, *, schema: int = GROUP_SCHEMA) -> int | None:
        """Append one record and return its number, or None if there is no room now.

        Raises WireError for a payload above capacity / 8, or if another writer took over.
        """
        self._check_may_push(payload)
        memory, tail = self._memory, self._tail
        size = layout.record_size(len(payload))
        room = memory.capacity - (tail & (memory.capacity - 1))
        if not self._has_space(size if size <= room else room + size):
            return None
        tag = Tag(self._next_seq, schema, self._epoch)
        if size > room:
            tail = write_padding(memory, tail, tag=tag)
        tail = write_record(memory, tail, tag=tag, payload=payload)
        self._tail, self._next_seq = tail, tag.seq + 1
        memory.store(layout.NEXT_SEQ, tag.seq + 1)
        memory.store(layout.TAIL, tail)
        memory.wake(layout.TAIL)
        return tag.seq

    def set_state(self, state: RingState, reason: str = "") -> None:
        """Tell the reader how far this run has got, and why."""
        store_state(self._memory, state, reason=reason)
        self._memory.wake(layout.TAIL)

    def heartbeat(self) -> None:
        """Call every few seconds; without it the reader reports this writer as hung."""
        claim.beat(self._memory, claim.WRITER)

    def reader_alive(self) -> claim.Liveness:
        """What has become of the reader."""
        return claim.liveness(self._memory, claim.READER)

    def close(self, state: RingState = RingState.CLOSED, reason: str = "") -> None:
        """Set the last state and let go of the ring; its records stay."""
        self.set_state(state, reason)
        claim.give_up(self._memory, claim.WRITER)
        self._memory.close()

    def _has_space(self, size: int) -> bool:
        capacity = self._memory.capacity
        if self._tail + size - self._free_from <= capacity:
            return True
        self._free_from = load_cursor(self._memory).position
        return self._tail + size - self._free_from <= capacity

    def _check_may_push(self, payload: bytes) -> None:
        limit = layout.max_payload(self._memory.capacity)
        if len(payload) > limit:
            raise WireError(
                f"a payload may have {limit} bytes (an eighth of the ring), got {len(payload)}; "
                "make the ring larger or the group smaller"
            )
        epoch = self._memory.load(layout.EPOCH)
        if epoch != self._epoch:
            raise WireError(
                f"{self._memory.path} is at epoch {epoch}, this writer was epoch {self._epoch}: "
                "another writer has taken over; this process must stop"
            )


def recover(memory: RingMemory, *, is_rebooted: bool = False) -> Cursor:
    """Where the next record goes, and its number: the end of the whole records. Changes nothing.

    Raises WireError if records that had been published are no longer whole. After a reboot that is
    to be expected (memory reached the disk in any order), and the ring ends before them.
    """
    end = _walk(memory)
    tail, next_seq = memory.load(layout.TAIL), memory.load(layout.NEXT_SEQ)
    # One more than was announced may be there: its writer died before it could say so.
    is_sane = end.position % layout.RECORD_BYTES == 0 and end.seq <= next_seq + 1
    if is_sane and end.position >= tail and end.seq >= next_seq:
        return end
    found = f"{memory.path} has whole records up to seq {end.seq}, {next_seq} were published"
    if not (is_sane and is_rebooted):
        raise WireError(
            f"{found}; the file is damaged: delete it, and push again what was not consumed, "
            f"from seq {load_cursor(memory).seq}"
        )
    _log.warning("%s before the reboot; the rest must be pushed again", found)
    return end


def _walk(memory: RingMemory) -> Cursor:
    start = load_cursor(memory)
    position, seq = start
    epoch, newest = 0, memory.load(layout.EPOCH)
    while position - start.position < memory.capacity:
        entry = read_entry(memory, position, seq=seq)
        # Epochs never fall along the ring: a lower one is left over from before a truncation.
        if entry is None or not epoch <= entry.epoch <= newest:
            break
        position, epoch = entry.end, entry.epoch
        seq += not entry.is_padding
    return Cursor(position, seq)


def _check_joins(memory: RingMemory, end: Cursor, *, first_seq: int) -> None:
    if end.seq < first_seq:
        raise WireError(
            f"{memory.path} ends at seq {end.seq}, the writer begins at {first_seq}: the ring lost "
            "records that had been consumed (power failure?); delete it, a new one is made"
        )


def _founding_words(capacity: int, *, run_id: bytes, first_seq: int) -> dict[int, int]:
    return {
        layout.MAGIC_WORD: layout.MAGIC,
        layout.VERSION_WORD: layout.LAYOUT_VERSION,
        layout.CAPACITY: capacity,
        layout.RUN_ID: int.from_bytes(run_id[:8], "little"),
        layout.RUN_ID + 1: int.from_bytes(run_id[8:], "little"),
        layout.NEXT_SEQ: first_seq,
        layout.READ_SEQ: first_seq,
        layout.CURSORS[0] + 1: first_seq,
    }


def _check_same_ring(memory: RingMemory, *, capacity: int, run_id: bytes) -> None:
    if memory.capacity != capacity:
        raise WireError(
            f"{memory.path} has a capacity of {memory.capacity} bytes, {capacity} were asked for; "
            "set the capacity back, or delete the ring when it is drained"
        )
    seen = memory.read(8 * layout.RUN_ID, length=16)
    if seen != run_id:
        raise WireError(
            f"{memory.path} belongs to run {seen.hex()}, this is run {run_id.hex()}; "
            "use one run directory a run"
        )
