"""The records of one segment: found by walking, believed only when whole.

A record is whole if its checksum fits and it has the number that must come next; what cannot be
read so is damage, or the torn end of a segment that is still being written. The difference is what
follows: behind a torn end there is no whole record with a later number.
"""

from collections.abc import Iterator
from dataclasses import replace
from struct import Struct
from typing import Final

import numpy as np

from engine.wire.checksum import PREFERRED
from engine.wire.journal.header import (
    HEADER_BYTES,
    MAX_SEGMENT_BYTES,
    Header,
    parse_header,
)
from engine.wire.journal.segments import MAX_SEQ, Segment, compressed_path
from engine.wire.journal.source import Source, open_source
from engine.wire.ring.layout import RECORD_BYTES, record_size
from engine.wire.ring.record import Entry, Framing

_CHUNK: Final = 1 << 20
_claim: Final = Struct("<QQ")
"""How a record begins: its length + 1, its number."""


class Content:
    """One segment's bytes, as they are when they are asked for."""

    __slots__ = ("_at", "_source", "_window", "framing", "segment")

    def __init__(self, segment: Segment, source: Source) -> None:
        self.segment = segment
        self.framing = Framing(PREFERRED, of=segment.path)
        self._source = source
        self._at = 0
        self._window = memoryview(b"")

    @property
    def size(self) -> int:
        """Bytes that there are now, header included; of a compressed segment, those it holds."""
        return self._source.size()

    @property
    def damage(self) -> str:
        """What is wrong with the file apart from the records in it; "" if nothing is."""
        return self._source.damage

    def read_header(self) -> Header:
        """The header, which also says how records are checked. WireError if it is damaged."""
        segment = self.segment
        data = self._source.read(0, HEADER_BYTES)
        header = parse_header(data, path=segment.path, first_seq=segment.first_seq)
        self.framing = Framing(header.checksum, of=segment.path)
        return header

    def entry(self, at: int, *, seq: int | None = None) -> Entry | None:
        """The record at byte `at`, if it is whole and is numbered `seq`."""
        size = self.claimed_size(at, seq=seq)
        if size is None:
            return None
        view = self._view(at, size)
        entry = self.framing.parse(view, 0, end=len(view), longest=MAX_SEGMENT_BYTES, seq=seq)
        return None if entry is None or entry.is_padding else entry

    def fresh_entry(self, at: int, *, seq: int) -> Entry | None:
        """Like `entry`, of the file as it is now: it may have grown since it was last read."""
        self._window = memoryview(b"")
        return self.entry(at, seq=seq)

    def claimed_size(self, at: int, *, seq: int | None = None) -> int | None:
        """Bytes of the record at byte `at` by its own word, unchecked; None if that cannot be."""
        view = self._view(at, RECORD_BYTES)
        if len(view) < RECORD_BYTES:
            return None
        commit, number = _claim.unpack_from(view)
        if not 0 < commit <= MAX_SEGMENT_BYTES or (seq is not None and number != seq):
            return None
        size = record_size(commit - 1)
        is_inside = at + size <= self._at + len(self._window) or at + size <= self.size
        return size if is_inside else None

    def whole_behind(self, at: int, *, seq: int) -> tuple[int, int] | None:
        """Byte and number of the first whole record behind byte `at` numbered `seq` or higher."""
        data = memoryview(self._source.read(at, self.size - at))
        for position in _candidates(data, seq=seq):
            entry = self.framing.parse(data, position, end=len(data), longest=MAX_SEGMENT_BYTES)
            if entry is not None and not entry.is_padding:
                return at + position, entry.record.seq
        return None

    def has_clean_fill(self, at: int, entry: Entry) -> bool:
        """Whether the bytes between the record at `at` and the next are zero, as was written."""
        return not any(self._view(at, entry.size)[RECORD_BYTES + len(entry.record.payload) :])

    def read(self, at: int) -> bytes:
        """Everything from byte `at` on."""
        return self._source.read(at, max(0, self.size - at))

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def _view(self, at: int, length: int) -> memoryview:
        """Up to `length` bytes from `at` on."""
        start = at - self._at
        if start < 0 or start + length > len(self._window):
            self._window = memoryview(self._source.read(at, max(length, _CHUNK)))
            self._at, start = at, 0
        return self._window[start : start + length]


def open_content(segment: Segment) -> Content:
    """A segment to read, by now compressed perhaps; close it. FileNotFoundError if removed."""
    try:
        return Content(segment, open_source(segment))
    except FileNotFoundError:
        if segment.is_compressed:
            raise
    path = compressed_path(segment.path)
    segment = replace(segment, path=path, is_sealed=True, is_compressed=True)
    return Content(segment, open_source(segment))


def _candidates(data: memoryview, *, seq: int) -> Iterator[int]:
    """Where, behind its beginning, `data` may hold a record numbered `seq` or a little higher."""
    words = np.frombuffer(data[: len(data) & -RECORD_BYTES], np.uint64).reshape(-1, 4)
    commit, number = words[:, 0], words[:, 1]
    most = min(seq + len(words), MAX_SEQ)  # numbers are dense, and no record is shorter
    is_likely = (commit > 0) & (commit <= len(data)) & (number >= seq) & (number <= most)
    is_likely[:1] = False
    for index in np.flatnonzero(is_likely):
        yield int(index) * RECORD_BYTES
