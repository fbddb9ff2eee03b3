"""The bytes of a ring file, mapped to be read only, whatever they are.

Takes a file that has a whole header; the rest may be cut or damaged. `stat` is of one moment
even while both ends run: it is copied until two copies in a row are equal.
"""

import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np

from engine.wire.errors import WireError
from engine.wire.ring import layout
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.header import RingStat, read_header
from engine.wire.ring.record import EPOCH_SHIFT, HEADER, Entry, Framing

_LOOKS: Final = 300
"""Copies of the header until two are equal. A copy takes less time than a push: two will do."""
_CHUNK: Final = 1 << 18
"""Bytes that are searched at once."""
_MAX_WORD: Final = (1 << 64) - 1


class RecordHeader(NamedTuple):
    """The words before a payload, as they are there."""

    commit: int
    seq: int
    checksum: int
    stamp: int

    @property
    def epoch(self) -> int:
        """Which writer wrote it."""
        return self.stamp >> EPOCH_SHIFT

    @property
    def size(self) -> int:
        """Bytes up to what follows, as the commit word has it; nonsense if that is nonsense."""
        if self.commit >= layout.PADDING:
            return self.commit - layout.PADDING
        return layout.record_size(max(0, self.commit - 1))


class RingImage:
    """A read-only mapping of a ring file, or of what is left of one."""

    __slots__ = ("_bytes", "_map", "_words", "capacity", "framing", "inode", "path", "size")

    def __init__(self, mapped: mmap.mmap, path: Path, *, inode: int) -> None:
        """See `open`."""
        self._map = mapped
        self._bytes = memoryview(mapped)
        self._words = self._bytes[: len(mapped) & -8].cast("Q")
        self.path = path
        self.inode = inode
        """Tells this file from one that was put in its place."""
        self.size = len(mapped)
        """Bytes of the file."""
        self.capacity = self._plausible_capacity()
        """Bytes for records, from the file's size or else from the header; 0 if neither can be."""
        self.framing = self._framing()
        """How to read records, or None if that cannot be known or done here."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a ring, or what is left of one. Raises WireError if there is not even a header."""
        try:
            # Nonblocking: a FIFO of that name must not hold anybody up.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise WireError(
                f"expected a ring at {path}, found none ({error.strerror}); has "
                "`engine serve` been started on this run?"
            ) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size < layout.HEADER_BYTES:
                raise WireError(
                    f"{path} must be a ring, at least {layout.HEADER_BYTES} bytes, is "
                    f"{_described(found)}; delete it, the engine makes a new one"
                )
            mapped = mmap.mmap(descriptor, found.st_size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        mapped.madvise(mmap.MADV_DONTFORK)
        return cls(mapped, path, inode=found.st_ino)

    def close(self) -> None:
        """Unmap. The object is of no use afterwards."""
        self._words.release()
        self._bytes.release()
        self._map.close()

    def stat(self) -> RingStat:
        """The header now."""
        page = bytes(self._bytes[: layout.HEADER_BYTES])
        is_settled = False
        for _ in range(_LOOKS):
            again = bytes(self._bytes[: layout.HEADER_BYTES])
            is_settled = again == page
            if is_settled:
                break
            page = again
        return read_header(page, path=self.path, file_bytes=self.size, is_settled=is_settled)

    def committed(self) -> Cursor:
        """The committed cursor now: what lies before it may be overwritten."""
        while True:
            generation = self._words[layout.CURSOR_GENERATION]
            at = layout.CURSORS[generation & 1]
            cursor = Cursor(self._words[at], self._words[at + 1])
            if self._words[layout.CURSOR_GENERATION] == generation:
                return cursor

    def offset(self, position: int) -> int:
        """Byte offset in the file of a position in the stream."""
        return layout.HEADER_BYTES + position % self.capacity

    def entry(self, position: int, *, seq: int | None = None) -> Entry | None:
        """The entry at a position, if it is whole and (if `seq` is given) has that number."""
        if self.framing is None:
            return None
        end = min(self.size, layout.HEADER_BYTES + self.capacity)
        longest = layout.max_payload(self.capacity)
        at = self.offset(position)
        return self.framing.parse(self._bytes, at, end=end, longest=longest, seq=seq)

    def header(self, position: int) -> RecordHeader | None:
        """The words of an entry's header, whole or not; None beyond the end of a cut file."""
        at = self.offset(position)
        if at % 8 or at + layout.RECORD_BYTES > self.size:
            return None
        return RecordHeader(*HEADER.unpack_from(self._bytes, at))

    def read(self, position: int, *, length: int) -> bytes:
        """A private copy of bytes from a position up to the end of the lap at most."""
        at = self.offset(position)
        return bytes(self._bytes[at : min(at + length, layout.HEADER_BYTES + self.capacity)])

    def numbered(self, seqs: range, *, start: int, end: int) -> Iterator[int]:
        """Positions between two others where the header has a number of `seqs`, ascending."""
        low, high = max(0, seqs.start), min(seqs.stop, _MAX_WORD)
        position = start + -start % layout.RECORD_BYTES
        while position < end and low < high:
            lap = position - position % self.capacity + self.capacity
            stop = min(end, lap, position + _CHUNK)
            at = self.offset(position)
            raw = bytes(self._bytes[at : at + stop - position])
            whole = len(raw) // layout.RECORD_BYTES * layout.RECORD_BYTES
            numbers = np.frombuffer(raw[:whole], dtype="<u8")[1 :: layout.RECORD_BYTES // 8]
            for index in np.flatnonzero((numbers >= low) & (numbers < high)).tolist():
                yield position + index * layout.RECORD_BYTES
            position = stop

    def _plausible_capacity(self) -> int:
        stated, measured = self._words[layout.CAPACITY], self.size - layout.HEADER_BYTES
        fits = (n for n in (measured, stated) if n >= layout.MIN_CAPACITY and not n & (n - 1))
        # The size first: a word is damaged more easily. A file that was cut has an odd size.
        return next(fits, 0)

    def _framing(self) -> Framing | None:
        try:
            return Framing(self._words[layout.CHECKSUM], of=self.path)
        except WireError:
            return None


def _described(found: os.stat_result) -> str:
    is_file = stat.S_ISREG(found.st_mode)
    return f"a file of {found.st_size} bytes" if is_file else "no file of bytes"
