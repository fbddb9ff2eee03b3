"""Records: written so that a kill leaves all or nothing, read so that a torn one is never believed.

The writer stores the commit word last; a reader on a machine that shows stores in order (x86)
therefore sees whole records. On one that does not (ARM) the commit word may be seen before the
payload. The checksum decides on both: it covers epoch, seq, length, schema and payload, and is
computed by the reader over its *own copy*, so a record is either delivered as it was written or not
delivered. Bytes of an earlier lap never pass, for their seq is old; so freed space need not be
cleared, and after a crash the records can be found again by walking them.

The same bytes make the journal.
"""

from collections.abc import Sequence
from mmap import mmap
from struct import Struct
from typing import Final, NamedTuple

from engine.wire.checksum import RecordHash, record_hash
from engine.wire.ring.layout import PADDING, RECORD_BYTES, record_size

HEADER: Final = Struct("<QQQQ")
"""Commit word, number, checksum, stamp."""
_identity: Final = Struct("<QQQ").pack
EPOCH_SHIFT: Final = 32
"""Of a stamp's bits: the schema below, the epoch above."""
_SCHEMA_MASK: Final = (1 << EPOCH_SHIFT) - 1
_FILL: Final = tuple(bytes(-length % RECORD_BYTES) for length in range(RECORD_BYTES))
"""What follows a payload of a length (mod 32) up to the next record."""


class Record(NamedTuple):
    """One record, as it was pushed."""

    seq: int
    schema: int
    epoch: int
    """Which writer wrote it."""
    payload: bytes


class Entry(NamedTuple):
    """A whole record, or padding, as found among others."""

    record: Record
    size: int
    """Bytes up to what follows."""
    is_padding: bool


Source = bytes | memoryview | mmap


class Framing:
    """Records as bytes, checked by one kind of checksum."""

    __slots__ = ("_hash",)

    def __init__(self, checksum: int, *, of: object) -> None:
        """`checksum` is a number of `Checksum`; WireError, naming `of`, if it cannot be had."""
        self._hash: RecordHash = record_hash(checksum, of=of)

    def header(self, record: Record, *, commit: int) -> bytes:
        """The 32 bytes before a payload, the commit word still 0: not written."""
        seq, schema, epoch, payload = record
        stamp = schema | epoch << EPOCH_SHIFT
        # The header seeds the payload's hash: one value for both, and no copy to join them.
        checksum = self._hash(payload, self._hash(_identity(commit, seq, stamp), 0))
        return HEADER.pack(0, seq, checksum, stamp)

    def frame(self, records: Sequence[Record], *, is_written: bool = True) -> bytes:
        """Records one behind the other; with `is_written` false the first commit word is still 0.

        Then that one word makes records of them all, for they are found by walking.
        """
        parts: list[bytes] = []
        check, pack, identify = self._hash, HEADER.pack, _identity
        for seq, schema, epoch, payload in records:
            commit = len(payload) + 1
            stamp = schema | epoch << EPOCH_SHIFT
            checksum = check(payload, check(identify(commit, seq, stamp), 0))
            header = pack(commit if is_written else 0, seq, checksum, stamp)
            parts += (header, payload, _FILL[(commit - 1) % RECORD_BYTES])
            is_written = True
        return b"".join(parts)

    def parse(
        self, source: Source, at: int, *, end: int, longest: int, seq: int | None = None
    ) -> Entry | None:
        """The entry at byte `at` of `source`, if it is whole and ends by `end`; otherwise None.

        `seq`, if given, must be its number; its payload may have `longest` bytes.
        """
        if at % RECORD_BYTES or at + RECORD_BYTES > end:
            return None  # a damaged cursor, or a cut file
        commit, number, checksum, stamp = HEADER.unpack_from(source, at)
        is_padding = commit >= PADDING
        length = 0 if is_padding else commit - 1
        size = commit - PADDING if is_padding else record_size(length)
        # A length is believed only as far as it cannot hurt: the checksum comes after the copy.
        if commit == 0 or (seq is not None and number != seq) or at + size > end:
            return None
        if length > longest or size < RECORD_BYTES:
            return None
        payload = bytes(source[at + RECORD_BYTES : at + RECORD_BYTES + length])
        if checksum != self._hash(payload, self._hash(_identity(commit, number, stamp), 0)):
            return None
        record = Record(number, stamp & _SCHEMA_MASK, stamp >> EPOCH_SHIFT, payload)
        return Entry(record, size, is_padding)

    def parse_run(
        self, source: mmap, at: int, *, end: int, longest: int, seq: int, epoch: int, most: int
    ) -> tuple[list[Record], list[int]]:
        """The whole records of one epoch from byte `at` on, numbered from `seq`; and their sizes.

        At most `most`, all before `end`. Stops before anything else: padding, another epoch,
        damage. This is `parse` for the usual case, in one loop: half the time of a busy reader.
        """
        records: list[Record] = []
        sizes: list[int] = []
        check, unpack, identify, make = self._hash, HEADER.unpack_from, _identity, tuple.__new__
        while at < end and len(records) < most:
            commit, number, checksum, stamp = unpack(source, at)
            start = at + RECORD_BYTES
            stop = start + commit - 1
            if number != seq or stamp >> EPOCH_SHIFT != epoch or commit == 0:
                break
            if stop > end or commit > longest + 1:
                break
            payload = source[start:stop]
            if checksum != check(payload, check(identify(commit, number, stamp), 0)):
                break
            records.append(make(Record, (seq, stamp & _SCHEMA_MASK, epoch, payload)))
            size = (RECORD_BYTES + commit + RECORD_BYTES - 2) & -RECORD_BYTES
            sizes.append(size)
            at += size
            seq += 1
        return records, sizes
