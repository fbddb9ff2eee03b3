"""The mapped file: words, bytes, and sleeping until a word changes.

Every store of the protocol is one call of `store` or `copy`, which is what lets a test kill a
writer between any two of them. A word is stored by one aligned 8-byte move (that is how CPython
assigns to a memoryview of format Q), so it is never seen torn.

The mapping is marked MADV_DONTFORK: in a forked child, a sandboxed guest say, the pages do not
exist, and touching them is a segmentation fault.
"""

import ctypes
import mmap
import os
import platform
import sys
import time
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import fsync_directory
from engine.wire.ring import layout

PARK_S: Final = 0.05
"""Longest sleep on a word: bounds a lost wake-up, and the low half of a word cannot lap in it."""

_SYS_FUTEX: Final = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
_FUTEX_WAIT: Final = 0
_FUTEX_WAKE: Final = 1
_LOW_HALF: Final = 0xFFFFFFFF


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def create_file(path: Path, *, capacity: int, words: dict[int, int]) -> None:
    """Make a ring file with the given control words, whole or not at all; space is reserved.

    Raises WireError for a capacity that is not a power of two >= 4096, OSError on a full disk
    (which would be a SIGBUS later).
    """
    if capacity < layout.MIN_CAPACITY or capacity & (capacity - 1):
        raise WireError(
            f"capacity must be a power of two >= {layout.MIN_CAPACITY}, got {capacity}; "
            f"try {max(layout.MIN_CAPACITY, 1 << capacity.bit_length())}"
        )
    page = memoryview(bytearray(layout.HEADER_BYTES)).cast("Q")
    for word, value in words.items():
        page[word] = value
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, layout.HEADER_BYTES + capacity)
        os.pwrite(descriptor, page, 0)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    fsync_directory(path.parent)


class RingMemory:
    """One process's mapping of a ring file; opening checks that it is one."""

    __slots__ = ("_address", "_bytes", "_futex", "_map", "_words", "capacity", "path")

    def __init__(self, path: Path) -> None:
        """Map an existing ring. Raises WireError if the file is not a whole ring of this layout."""
        if sys.byteorder != "little":
            raise WireError("the ring needs a little-endian machine; this one is not")
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size <= layout.HEADER_BYTES:
                raise WireError(f"{path} must be a ring, is a file of {size} bytes; delete it")
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._map.madvise(mmap.MADV_DONTFORK)
        self._bytes = memoryview(self._map)
        self._words = self._bytes[: size & -8].cast("Q")
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._futex = ctypes.CDLL(None, use_errno=True).syscall
        self.path = path
        self.capacity = self._checked_capacity(size)

    def load(self, word: int) -> int:
        return self._words[word]

    def store(self, word: int, value: int) -> None:
        self._words[word] = value

    def read(self, offset: int, *, length: int) -> bytes:
        """A private copy of `length` bytes at a byte offset in the file."""
        return bytes(self._bytes[offset : offset + length])

    def copy(self, offset: int, payload: bytes) -> None:
        self._bytes[offset : offset + len(payload)] = payload

    def wake(self, word: int) -> None:
        """Wake whoever sleeps on `word`. Always called after its store: no flag, no lost wake."""
        if _SYS_FUTEX is not None:
            self._futex(_SYS_FUTEX, self._pointer(word), _FUTEX_WAKE, 1, None, None, 0)

    def wait(self, word: int, *, seen: int, timeout_s: float) -> None:
        """Sleep while `word` is `seen`, at most PARK_S; may return early. Releases the GIL."""
        timeout_s = min(timeout_s, PARK_S)
        if _SYS_FUTEX is None:
            time.sleep(min(timeout_s, 1e-3))
            return
        limit = _Timespec(0, int(timeout_s * 1e9))
        expected = ctypes.c_uint32(seen & _LOW_HALF)
        at = self._pointer(word)
        self._futex(_SYS_FUTEX, at, _FUTEX_WAIT, expected, ctypes.byref(limit), None, 0)

    def close(self) -> None:
        """Unmap. The object is of no use afterwards."""
        self._words.release()
        self._bytes.release()
        self._map.close()

    def _pointer(self, word: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._address + 8 * word)

    def _checked_capacity(self, size: int) -> int:
        if self.load(layout.MAGIC_WORD) != layout.MAGIC:
            raise WireError(f"{self.path} is not a ring of kelvin: its magic is wrong; delete it")
        version = self.load(layout.VERSION_WORD)
        if version != layout.LAYOUT_VERSION:
            raise WireError(
                f"{self.path} has layout {version}, this kelvin reads {layout.LAYOUT_VERSION}; "
                "finish the run with the kelvin that started it, or start a new run"
            )
        capacity = self.load(layout.CAPACITY)
        if size != layout.HEADER_BYTES + capacity:
            raise WireError(
                f"{self.path} must be {layout.HEADER_BYTES + capacity} bytes, is {size}; it was "
                "truncated: delete it, the engine pushes again what was not consumed"
            )
        return capacity
