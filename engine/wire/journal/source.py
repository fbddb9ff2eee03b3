"""Where the bytes of a segment come from: a file that may still grow, or a compressed one."""

import os
from pathlib import Path
from typing import Protocol

from engine.wire.journal.header import MAX_SEGMENT_BYTES
from engine.wire.journal.segments import Segment
from engine.wire.journal.zstd import decompress


class Source(Protocol):
    """Bytes at offsets."""

    damage: str
    """Why the bytes end where they do, if that is not where they were meant to."""

    def size(self) -> int:
        """Bytes that there are now."""
        ...

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes: fewer at the end."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def open_source(segment: Segment) -> Source:
    """The bytes of a segment's file. FileNotFoundError if it is gone."""
    return Inflated(segment.path) if segment.is_compressed else Plain(segment.path)


class Plain:
    """A plain file, read as it is now: no mapping, so that a cut file is no bus error."""

    __slots__ = ("_descriptor", "damage")

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.damage = ""

    def size(self) -> int:
        return min(os.fstat(self._descriptor).st_size, MAX_SEGMENT_BYTES)

    def read(self, at: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, at)

    def close(self) -> None:
        os.close(self._descriptor)


class Inflated:
    """A compressed file, in memory: at most `MAX_SEGMENT_BYTES`."""

    __slots__ = ("_content", "damage")

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            packed = file.read(2 * MAX_SEGMENT_BYTES)
        self._content, self.damage = decompress(packed, most=MAX_SEGMENT_BYTES, of=path)

    def size(self) -> int:
        return len(self._content)

    def read(self, at: int, length: int) -> bytes:
        return self._content[at : at + length]

    def close(self) -> None:
        self._content = b""
