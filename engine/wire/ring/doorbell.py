"""A named FIFO beside a ring: how the reader tells an event loop that there is space again.

A futex would block the loop, and an eventfd would have to be handed over; a FIFO has a name, so
either process may start again. One byte in it means `look`. Ringing never waits (a full FIFO has
rung already) and a ring that is missed costs the listener one re-check, no more. On a filesystem
without FIFOs the bell is mute, and the re-check is all there is.
"""

import asyncio
import contextlib
import os
import stat
from pathlib import Path

from engine.wire.errors import WireError

_MANY = 4096
# Reading and writing: then neither opening nor ringing depends on the other process.
_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class Doorbell:
    """One process's end of the FIFO; both ends are alike. Opened when it is first used."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, ring: Path) -> None:
        """The doorbell of a ring file, made if there is none. WireError if it is no FIFO."""
        self._path = ring.with_suffix(".bell")
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):  # there is one already, or there can be none here
            os.mkfifo(self._path, 0o600)
        with contextlib.suppress(FileNotFoundError):
            self._check(self._path.lstat())

    def ring(self) -> None:
        """Wake whoever listens, now or when he comes."""
        descriptor = self._opened()
        if descriptor is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(descriptor, b"\0")

    async def rung(self, *, timeout_s: float) -> bool:
        """Wait for a ring, at most `timeout_s`; says whether there was one."""
        descriptor = self._opened()
        if descriptor is None:
            await asyncio.sleep(timeout_s)
            return False
        if _silence(descriptor):
            return True
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        try:
            async with asyncio.timeout(timeout_s):
                await ready.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
        return _silence(descriptor)

    def close(self) -> None:
        """Let go of it; the FIFO stays for the next process."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _opened(self) -> int | None:
        """The descriptor; None where there can be no FIFO."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._check(self._path.lstat())
                self._descriptor = os.open(self._path, _FLAGS)
        return self._descriptor

    def _check(self, seen: os.stat_result) -> None:
        if not stat.S_ISFIFO(seen.st_mode):
            raise WireError(f"{self._path} must be a FIFO, is something else; delete it")


def _silence(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        return len(os.read(descriptor, _MANY)) > 0
    return False
