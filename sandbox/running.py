"""The host's side of one running guest: its socket, its pidfd and what was seen so far.

Knows sockets and signals but no event loop: the worker calls in when something is ready.
"""

import asyncio
import contextlib
import os
import signal
import socket

from sandbox.judge import End

_CHUNK = 1 << 16


class RunningGuest:
    """Made when the fork is ordered, closed when the zygote has reported the end."""

    def __init__(
        self,
        call: socket.socket,
        *,
        job: bytes,
        max_frame: int,
        ended: "asyncio.Future[tuple[End, float]]",
    ) -> None:
        self.ended = ended
        """The end and the guest's peak resident kilobytes."""
        self.timer: asyncio.TimerHandle | None = None
        self.deadline_passed = False
        self.is_doomed = False
        self._call = call
        self._unsent = memoryview(len(job).to_bytes(4, "big") + job)
        self._max_frame = max_frame
        self._frame = bytearray()
        self._pidfd = -1

    def fileno(self) -> int:
        """The call socket's, for the loop to watch."""
        return self._call.fileno()

    def push(self) -> bool:
        """Send what the socket takes of the job; whether all of it is out."""
        try:
            self._unsent = self._unsent[self._call.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it died before it read its job: its end will say how
            self._unsent = memoryview(b"")
        return not self._unsent

    def pull(self) -> bool:
        """Take some of what has come; whether more may come."""
        try:
            chunk = self._call.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._frame += chunk
        return bool(chunk) and not self.has_overflowed

    def drain(self) -> None:
        """What a guest that is dead had written: all of it is in the socket, none is to come."""
        before = -1
        while len(self._frame) != before and not self.has_overflowed:
            before = len(self._frame)
            self.pull()

    @property
    def has_overflowed(self) -> bool:
        """Whether the frame is over its cap, and the guest beyond hope."""
        return len(self._frame) > self._max_frame

    def adopt(self, pidfd: int) -> None:
        """The zygote has forked; from here on the guest can be killed."""
        self._pidfd = pidfd
        if self.is_doomed:
            self.kill()

    @property
    def has_begun(self) -> bool:
        """Whether the zygote has reported its fork."""
        return self._pidfd >= 0

    def kill(self) -> None:
        """SIGKILL now, or as soon as there is a pidfd."""
        self.is_doomed = True
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def end(self, *, status: int, cpu_s: float) -> End:
        """All that was seen, for the judge."""
        return End(
            status=status,
            cpu_s=cpu_s,
            frame=bytes(self._frame),
            deadline_passed=self.deadline_passed,
            overflowed=self.has_overflowed,
        )

    def close(self) -> None:
        """Give back descriptors and the timer."""
        self._call.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self.timer is not None:
            self.timer.cancel()
