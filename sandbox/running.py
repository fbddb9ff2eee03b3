"""The host's side of one running guest: its slot, its socket and what was seen so far.

Knows sockets but no event loop and no zygote: the worker calls in when something is ready.
"""

import asyncio
import socket

from sandbox.judge import End

_CHUNK = 1 << 16


class RunningGuest:
    """Made when the fork is ordered, closed when the zygote has reported the end."""

    def __init__(
        self,
        call: socket.socket,
        *,
        slot: int,
        job: bytes,
        max_frame: int,
        ended: "asyncio.Future[tuple[End, float]]",
    ) -> None:
        self.slot = slot
        self.ended = ended
        """The end and the guest's peak resident kilobytes."""
        self.timer: asyncio.TimerHandle | None = None
        self.is_watched = False
        """Whether the loop watches the socket."""
        self.deadline_passed = False
        self._call = call
        self._unsent = memoryview(len(job).to_bytes(4, "big") + job)
        self._max_frame = max_frame
        self._frame = bytearray()
        self._is_refused = False

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
        except ConnectionResetError:
            self._is_refused = True
            return False
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
    def has_begun(self) -> bool:
        """Whether a guest may have read its job; the kernel says so of one that surely has not."""
        self.pull()
        return not self._is_refused

    @property
    def has_overflowed(self) -> bool:
        """Whether the frame is over its cap, and the guest beyond hope."""
        return len(self._frame) > self._max_frame

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
        """Give back the descriptor and the timer."""
        self._call.close()
        if self.timer is not None:
            self.timer.cancel()
