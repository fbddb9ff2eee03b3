"""One live writer a journal: a lock that dies with its process, however that ends."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from engine.wire.errors import WireError

_PID_BYTES: Final = 32


class WriterLock:
    """The lock of a directory, held by this process; a forked child does not have it."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Hold the lock. Raises WireError, naming the pid, while another writer lives."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = cls(os.open(directory / "lock", flags, 0o600))
        try:
            lock._take(directory)
        except BaseException:
            lock.release()
            raise
        return lock

    @property
    def is_held(self) -> bool:
        """False after `release`, and in a forked child."""
        return self._descriptor is not None

    def release(self) -> None:
        """Let another writer come."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)

    def _take(self, directory: Path) -> None:
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace").strip()
            raise WireError(
                f"{directory} already has a live writer, pid {holder or 'unknown'}; stop it first"
            ) from None
        with suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


_held: Final[set[WriterLock]] = set()


def _drop_in_child() -> None:
    # The lock goes with its last descriptor: a child's copy would outlive a killed parent.
    for lock in tuple(_held):
        lock.release()


os.register_at_fork(after_in_child=_drop_in_child)
