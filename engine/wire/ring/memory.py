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
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from engine.wire.checksum import PREFERRED
from engine.wire.errors import WireError
from engine.wire.files import fsync_directory
from engine.wire.ring import futex, layout
from engine.wire.ring.record import Entry, Framing, Record

PARK_S: Final = 0.05
"""Longest sleep on a word: bounds a lost wake-up, and the low half of a word cannot lap in it."""

_KEEPS_ORDER: Final = platform.machine() in ("x86_64", "AMD64", "i686")
"""Stores are seen in program order, and loads are made in it: only a later load may pass a store,
for which `_waker` has a barrier."""
_ACQUIRE_RELEASE: Final = 4


def create_file(path: Path, *, capacity: int, run_id: bytes, first_seq: int) -> None:
    """Make an empty ring that begins at `first_seq`, whole or not at all; space is reserved.

    Raises WireError for a capacity that is not a power of two >= 4096, OSError on a full disk
    (which would be a SIGBUS later).
    """
    if capacity < layout.MIN_CAPACITY or capacity & (capacity - 1):
        raise WireError(
            f"capacity must be a power of two >= {layout.MIN_CAPACITY}, got {capacity}; "
            f"try {max(layout.MIN_CAPACITY, 1 << capacity.bit_length())}"
        )
    page = memoryview(bytearray(layout.HEADER_BYTES)).cast("Q")
    founding = {
        layout.MAGIC_WORD: layout.MAGIC,
        layout.VERSION_WORD: layout.LAYOUT_VERSION,
        layout.CAPACITY: capacity,
        layout.CHECKSUM: int(PREFERRED),
        layout.RUN_ID: int.from_bytes(run_id[:8], "little"),
        layout.RUN_ID + 1: int.from_bytes(run_id[8:], "little"),
        layout.NEXT_SEQ: first_seq,
        layout.READ_SEQ: first_seq,
        layout.CURSORS[0] + 1: first_seq,
    }
    for word, value in founding.items():
        page[word] = value
    temporary = path.with_name(f".{path.name}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, layout.HEADER_BYTES + capacity)
        os.pwrite(descriptor, page, 0)
        temporary.replace(path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)


class RingMemory:
    """One process's mapping of a ring file; opening checks that it is one."""

    __slots__ = (
        "_address",
        "_bytes",
        "_identity",
        "_map",
        "_words",
        "capacity",
        "fence",
        "framing",
        "longest",
        "path",
        "wake",
    )

    def __init__(self, path: Path) -> None:
        """Map an existing ring. Raises WireError if the file is not a whole ring of this layout."""
        if sys.byteorder != "little":
            raise WireError("the ring needs a little-endian machine; this one is not")
        self._map, self._identity = _mapped(path)
        self._bytes = memoryview(self._map)
        self._words = self._bytes[: len(self._map) & -8].cast("Q")
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.wake = self._waker()
        """Wake a reader that sleeps on the tail; called after its store."""
        self.path = path
        self.fence = _fence()
        """Stores before it are seen before stores after it, and loads likewise; None on machines
        that keep this order themselves, and where there is no libatomic: see the checksum."""
        self.capacity = self._checked_capacity()
        self.longest = layout.max_payload(self.capacity)
        """The longest payload, bytes."""
        self.framing = Framing(self.load(layout.CHECKSUM), of=path)

    def load(self, word: int) -> int:
        return self._words[word]

    def store(self, word: int, value: int) -> None:
        self._words[word] = value

    def read(self, offset: int, *, length: int) -> bytes:
        """A private copy of `length` bytes at a byte offset in the file."""
        return bytes(self._bytes[offset : offset + length])

    def entry(self, position: int, *, seq: int) -> Entry | None:
        """The entry at a position of the stream, if it is whole and is numbered `seq`."""
        at = layout.HEADER_BYTES + (position & (self.capacity - 1))
        return self.framing.parse(
            self._map, at, end=layout.HEADER_BYTES + self.capacity, longest=self.longest, seq=seq
        )

    def run(
        self, position: int, *, tail: int, seq: int, epoch: int, most: int
    ) -> tuple[list[Record], list[int]]:
        """The whole records of one epoch from a position on, within its lap, and their sizes."""
        lap = position & -self.capacity
        base = layout.HEADER_BYTES - lap
        return self.framing.parse_run(
            self._map,
            base + position,
            end=base + min(tail, lap + self.capacity),
            longest=self.longest,
            seq=seq,
            epoch=epoch,
            most=most,
        )

    def copy(self, offset: int, payload: bytes) -> None:
        self._bytes[offset : offset + len(payload)] = payload

    def wait(self, *, tail: int, timeout_s: float) -> None:
        """Sleep while the tail is still `tail`, at most PARK_S; may return early.

        Releases the GIL. Only the reader may call it.
        """
        timeout_s = min(timeout_s, PARK_S)
        if futex.SYS_FUTEX is None:
            time.sleep(min(timeout_s, 1e-3))
            return
        # The kernel compares the tail behind a barrier of its own: a writer that does not see this
        # word set has stored its tail before that, and there is no sleep.
        self.store(layout.READER_ASLEEP, 1)
        futex.wait(self.address(layout.TAIL), seen=tail, timeout_s=timeout_s)
        self.store(layout.READER_ASLEEP, 0)

    def check_in_place(self) -> None:
        """Raises WireError if the path no longer leads to the file that is mapped here."""
        try:
            found: _Identity | None = _identity_of(self.path.stat())
        except FileNotFoundError:
            found = None
        if found != self._identity:
            raise WireError(
                f"{self.path} was {'replaced' if found else 'deleted'} while this process used it, "
                "so the other end is another file's; start engine and trainer again: the engine "
                "pushes again what was not consumed"
            )

    def close(self) -> None:
        """Unmap. The object is of no use afterwards."""
        self._words.release()
        self._bytes.release()
        self._map.close()

    def address(self, word: int) -> int:
        """Where the word is mapped in this process."""
        return self._address + 8 * word

    def _waker(self) -> Callable[[], object]:
        if futex.SYS_FUTEX is None:
            return lambda: None
        call = futex.waker(self.address(layout.TAIL))
        if not _KEEPS_ORDER:
            return call
        words, lock = self._words, Lock()
        take, give = lock.acquire, lock.release

        def wake_if_asleep() -> None:
            # A locked instruction: on x86 the load below does not pass the store of the tail then.
            take()
            give()
            if words[layout.READER_ASLEEP]:
                call()

        return wake_if_asleep

    def _checked_capacity(self) -> int:
        if self.load(layout.MAGIC_WORD) != layout.MAGIC:
            raise WireError(f"{self.path} is not a ring of kelvin: its magic is wrong; delete it")
        version = self.load(layout.VERSION_WORD)
        if version != layout.LAYOUT_VERSION:
            raise WireError(
                f"{self.path} has layout {version}, this kelvin reads {layout.LAYOUT_VERSION}; "
                "finish the run with the kelvin that started it, or start a new run"
            )
        capacity, size = self.load(layout.CAPACITY), len(self._map)
        if size != layout.HEADER_BYTES + capacity:
            raise WireError(
                f"{self.path} must be {layout.HEADER_BYTES + capacity} bytes, is {size}; it was "
                "truncated: delete it, the engine pushes again what was not consumed"
            )
        return capacity


_Identity = tuple[int, int]
"""Device and inode."""


def _identity_of(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _mapped(path: Path) -> tuple[mmap.mmap, _Identity]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        size = status.st_size
        if size <= layout.HEADER_BYTES:
            raise WireError(f"{path} must be a ring, is a file of {size} bytes; delete it")
        mapped = mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
    mapped.madvise(mmap.MADV_DONTFORK)
    return mapped, _identity_of(status)


def _fence() -> Callable[[], None] | None:
    if _KEEPS_ORDER:
        return None
    try:
        function = ctypes.CDLL("libatomic.so.1").atomic_thread_fence
    except (OSError, AttributeError):
        return None
    return lambda: function(_ACQUIRE_RELEASE)
