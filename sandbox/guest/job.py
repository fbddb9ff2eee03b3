"""The one order that a guest reads: a job, as the host packs it and the guest unpacks it.

    token   8 bytes, the call's own
    kind    1 byte, see Kind
    limits  CPU seconds, threads (4 bytes each), memory (8), one value, all values (4 each)
    count   4 bytes, then per text 4 bytes of size and UTF-8 in which surrogates may stand alone

The texts are the program and then its argument lists, or whatever the kind says. Numbers are
big-endian. A format of our own because a guest pays for every page of memory that it touches:
reading JSON cost as much as running a small program.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct(">8sBIIQIII")
_SIZE = struct.Struct(">I")


class JobKind(IntEnum):
    """What a guest is asked to do with the texts."""

    CALL = 0
    """Program, argument lists: the values of f."""
    READ = 1
    """Literals: their values."""
    INSPECT = 2
    """Program: its static facts."""
    SCRIPT = 3
    """Program, standard input: what it writes."""
    STRIP = 4
    """Program: its definitions alone, as text."""
    NAME = 5
    """Program, argument lists: the names of the exceptions that the calls of f end with."""


@dataclass(slots=True)
class Job:
    """What the host asks of one guest."""

    token: bytes
    kind: JobKind
    texts: Sequence[str]
    cpu_s: int
    threads: int
    memory_bytes: int
    output_bytes: int
    total_bytes: int

    def pack(self) -> bytes:
        """The bytes that `unpack` reads."""
        parts = [
            _HEAD.pack(
                self.token, self.kind, self.cpu_s, self.threads, self.memory_bytes,
                self.output_bytes, self.total_bytes, len(self.texts),
            )
        ]  # fmt: skip
        for text in self.texts:
            data = text.encode("utf-8", "surrogatepass")
            parts += (_SIZE.pack(len(data)), data)
        return b"".join(parts)

    @classmethod
    def unpack(cls, data: bytes) -> "Job":
        """Of bytes that the host wrote."""
        token, kind, cpu_s, threads, memory, one, total, count = _HEAD.unpack_from(data)
        at = _HEAD.size
        texts = []
        for _ in range(count):
            (size,) = _SIZE.unpack_from(data, at)
            at += 4 + size
            texts.append(data[at - size : at].decode("utf-8", "surrogatepass"))
        return cls(token, kind, texts, cpu_s, threads, memory, one, total)
