"""The segment that is being written: bytes at its end, all of them or none.

A write that fails half-way is taken back, at once or before the next one. A sync that fails takes
back everything since the last that did not: the kernel may have dropped those pages and would call
a second attempt a success.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from engine.wire.files import atomic_write
from engine.wire.journal.header import HEADER_BYTES, Header
from engine.wire.journal.segments import segment_path


class Tail:
    """An open segment; the file ends where `size` says, or is made to before the next write."""

    __slots__ = ("_descriptor", "_durable", "_is_frayed", "header", "path", "size")

    def __init__(self, path: Path, *, header: Header, size: int) -> None:
        """Go on with a segment whose first `size` bytes are whole and on disk."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._durable = size
        self._is_frayed = False
        self.path = path
        self.header = header
        self.size = size

    @classmethod
    def create(cls, directory: Path, header: Header) -> Self:
        """A segment without records, on disk with its name. Raises OSError."""
        path = segment_path(directory, header.first_seq)
        atomic_write(path, header.to_bytes())
        return cls(path, header=header, size=HEADER_BYTES)

    @property
    def has_records(self) -> bool:
        """Whether anything has been written behind the header."""
        return self.size > HEADER_BYTES

    def write(self, data: bytes) -> None:
        """Append, for every reader to see. Raises OSError, and then nothing was appended."""
        if self._is_frayed:
            self._cut()
        self._is_frayed = True
        try:
            _write_all(self._descriptor, data, at=self.size)
        except OSError:
            with suppress(OSError):
                self._cut()
            raise
        self._is_frayed = False
        self.size += len(data)

    def sync(self) -> None:
        """Make it durable. Raises OSError, and then it ends where the last successful sync was."""
        if self._durable == self.size:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self.size, self._is_frayed = self._durable, True
            with suppress(OSError):
                self._cut()
            raise
        self._durable = self.size

    def close(self) -> None:
        """Let go of the file; what was written stays."""
        os.close(self._descriptor)

    def _cut(self) -> None:
        os.ftruncate(self._descriptor, self.size)
        self._is_frayed = False


def _write_all(descriptor: int, data: bytes, *, at: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written
