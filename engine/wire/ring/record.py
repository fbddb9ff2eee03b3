"""Records: written so that a kill leaves all or nothing, read so that a torn one is never believed.

The writer stores the commit word last; a reader on a machine that shows stores in order (x86)
therefore sees whole records. On one that does not (ARM) the commit word may be seen before the
payload. The checksum decides on both: it covers epoch, seq, length, schema and payload, and is
computed by the reader over its *own copy*, so a record is either delivered as it was written or not
delivered. Bytes of an earlier lap never pass, for their seq is old; so freed space need not be
cleared, and after a crash the records can be found again by walking them.
"""

from struct import Struct
from typing import Final, NamedTuple

import xxhash

from engine.wire.ring.layout import HEADER_BYTES, PADDING, RECORD_BYTES, max_payload, record_size
from engine.wire.ring.memory import RingMemory

_hash = xxhash.xxh3_64_intdigest
_identity: Final = Struct("<QQQ").pack
_EPOCH_SHIFT: Final = 32
_SCHEMA_MASK: Final = (1 << _EPOCH_SHIFT) - 1


class Entry(NamedTuple):
    """A whole record, or padding, as found in the ring."""

    seq: int
    schema: int
    epoch: int
    payload: bytes
    end: int
    """Position of what follows."""
    is_padding: bool


class Tag(NamedTuple):
    """What a writer stamps on a record besides its payload."""

    seq: int
    schema: int
    epoch: int


def write_record(memory: RingMemory, position: int, *, tag: Tag, payload: bytes) -> int:
    """Write and commit a record; returns the position after it. There must be room."""
    offset = position & (memory.capacity - 1)
    _write(memory, offset, commit=len(payload) + 1, tag=tag, payload=payload)
    return position + record_size(len(payload))


def write_padding(memory: RingMemory, position: int, *, tag: Tag) -> int:
    """Write off the space up to the end of the file; returns position 0 of the next lap."""
    offset = position & (memory.capacity - 1)
    room = memory.capacity - offset
    _write(memory, offset, commit=PADDING | room, tag=tag, payload=b"")
    return position + room


def read_entry(memory: RingMemory, position: int, *, seq: int) -> Entry | None:
    """The entry at `position`, if it is whole and is numbered `seq`; otherwise None."""
    offset = position & (memory.capacity - 1)
    if offset % RECORD_BYTES:
        return None  # only a damaged cursor points here
    word = (HEADER_BYTES + offset) >> 3
    load = memory.load
    commit, checksum, stamp = load(word), load(word + 2), load(word + 3)
    is_padding = bool(commit & PADDING)
    length = 0 if is_padding else commit - 1
    room = memory.capacity - offset
    size = room if is_padding else record_size(length)
    # A length is believed only as far as it cannot hurt: the checksum comes after the copy.
    if commit == 0 or load(word + 1) != seq or size > room or length > max_payload(memory.capacity):
        return None
    payload = memory.read(HEADER_BYTES + offset + RECORD_BYTES, length=length)
    if checksum != _checksum(commit, seq=seq, stamp=stamp, payload=payload):
        return None
    return Entry(
        seq, stamp & _SCHEMA_MASK, stamp >> _EPOCH_SHIFT, payload, position + size, is_padding
    )


def _write(memory: RingMemory, offset: int, *, commit: int, tag: Tag, payload: bytes) -> None:
    word = (HEADER_BYTES + offset) >> 3
    stamp = tag.schema | tag.epoch << _EPOCH_SHIFT
    store = memory.store
    store(word, 0)
    store(word + 1, tag.seq)
    store(word + 2, _checksum(commit, seq=tag.seq, stamp=stamp, payload=payload))
    store(word + 3, stamp)
    memory.copy(HEADER_BYTES + offset + RECORD_BYTES, payload)
    store(word, commit)


def _checksum(commit: int, *, seq: int, stamp: int, payload: bytes) -> int:
    # The header seeds the payload's hash: one value for both, and no copy to join them.
    return _hash(payload, _hash(_identity(commit, seq, stamp)))
