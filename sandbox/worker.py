"""The host's handle of one zygote: starts it, gives it one guest at a time, sees the guest out.

Event-driven, without tasks of its own: the loop calls back when the control socket or the call's
socket has something, and when the wall clock runs out. Whoever awaits a guest may be cancelled;
the guest is then killed and the worker frees itself when the zygote has reaped it.

A guest's end is always two facts: the zygote's report (wait status, usage) and the bytes on the
call's socket up to its close. The worker waits for the report, which comes after the guest is
reaped, so by then every byte is in the socket. Waits are bounded: the deadline kills the guest; a
zygote that stays silent after that is killed, and the call is lost.
"""

import asyncio
import json
import logging
import os
import socket
import subprocess
from collections.abc import Callable

from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.guest.zygote import ENDED, STARTED
from sandbox.jail import launch
from sandbox.judge import End
from sandbox.running import RunningGuest

logger = logging.getLogger(__name__)
_START_S = 60.0
_GRACE_S = 10.0
_CHUNK = 1 << 16


class WorkerLostError(SandboxError):
    """The zygote vanished with the call; nothing is known of the guest."""

    def __init__(self, *, has_begun: bool) -> None:
        super().__init__("the zygote vanished")
        self.has_begun = has_begun
        """Whether it had reported a guest; else it may have been dead before the call came."""


class Worker:
    """One zygote. `on_free` is called when it can take a call again: idle, or dead after a call."""

    def __init__(
        self, *, boot: launch.Boot, seed: int, uid: int, on_free: Callable[["Worker"], None]
    ) -> None:
        self.seed = seed
        self.layers: dict[str, tuple[bool, str]] = {}
        self.num_starts = 0
        self.pid = 0
        """The inner zygote, as the host sees it; 0 while there is none."""
        self._boot, self._uid, self._on_free = boot, uid, on_free
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._guest: RunningGuest | None = None

    @property
    def is_alive(self) -> bool:
        """Whether there is a zygote to take a call."""
        return self._control is not None

    async def start(self) -> None:
        """Launch the zygote and wait for its report; SandboxUnavailable says why not."""
        loop = asyncio.get_running_loop()
        process, control = launch.start(self.seed)
        self._process = process
        try:
            async with asyncio.timeout(_START_S):
                config = self._boot.config(uid=self._uid, seed=self.seed)
                await loop.sock_sendall(control, json.dumps(config).encode())
                first = json.loads(await loop.sock_recv(control, _CHUNK))
                second = json.loads(await loop.sock_recv(control, _CHUNK))
            report = first | second
            if "failure" in report:
                raise SandboxUnavailable(f"the zygote could not start: {report['failure']}")
        except (OSError, ValueError, TimeoutError) as error:
            cause = self._bury(control)
            raise SandboxUnavailable(f"the zygote died at its start: {cause}") from error
        except BaseException:
            self._bury(control)
            raise
        self._adopt(control, report)

    def _adopt(self, control: socket.socket, report: dict[str, object]) -> None:
        layers, pid = report["layers"], report["inner_pid"]
        assert isinstance(layers, dict)
        assert isinstance(pid, int)
        self.layers = {name: (bool(on), str(detail)) for name, (on, detail) in layers.items()}
        self.pid = pid
        self.num_starts += 1
        self._control = control
        assert self._process is not None
        assert self._process.stderr is not None
        self._process.stderr.close()
        asyncio.get_running_loop().add_reader(control.fileno(), self._on_control)

    async def execute(self, job: bytes, *, wall_s: float, max_frame: int) -> tuple[End, float]:
        """Run one guest to its end; also its peak resident kilobytes. WorkerLostError if lost.

        Waits for the guest; unblocked by its end, the deadline, or the death of the zygote.
        """
        assert self._control is not None
        assert self._guest is None
        loop = asyncio.get_running_loop()
        ours = self._open_call()
        guest = RunningGuest(ours, job=job, max_frame=max_frame, ended=loop.create_future())
        self._guest = guest
        guest.timer = loop.call_later(wall_s, self._on_deadline, guest)
        loop.add_reader(guest.fileno(), self._on_claim, guest)
        if not guest.push():
            loop.add_writer(guest.fileno(), self._on_writable, guest)
        try:
            return await guest.ended
        except asyncio.CancelledError:
            if self._guest is guest:  # else its end and the cancellation came in one turn
                self._kill(guest)  # the worker is free when the zygote has reported the end
            raise

    def _open_call(self) -> socket.socket:
        """Order a fork; our end of the new guest's socket."""
        assert self._control is not None
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # no descriptors left: our fault, and not the worker's
            self._on_free(self)
            raise
        with theirs:
            ours.setblocking(False)
            try:
                socket.send_fds(self._control, [b"G"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                self._die()
                self._on_free(self)
                raise WorkerLostError(has_begun=False) from error
        return ours

    def stop(self) -> None:
        """Ask the zygote to end, guest and all; `join` waits for it."""
        if self._control is not None:
            self._die()

    def join(self, timeout_s: float) -> None:
        """Wait until the processes are gone; they are killed when that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    # -- the loop calls these ------------------------------------------------------------------

    def _on_control(self) -> None:
        """Take every message there is: a loop that was late must see the end before the clock."""
        while self._control is not None:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            self._on_message(data, descriptors)

    def _on_message(self, data: bytes, descriptors: list[int]) -> None:
        guest = self._guest
        if data == STARTED and guest is not None and len(descriptors) == 1:
            guest.adopt(descriptors[0])
        elif len(data) == ENDED.size and guest is not None:
            self._finish(guest, data)
        else:
            for descriptor in descriptors:
                os.close(descriptor)
            self._die()

    def _on_claim(self, guest: RunningGuest) -> None:
        """Take what is there; a frame over the cap ends the guest, an end of file ends nothing."""
        if not guest.pull():
            asyncio.get_running_loop().remove_reader(guest.fileno())
            if guest.has_overflowed:
                self._kill(guest)

    def _on_writable(self, guest: RunningGuest) -> None:
        if guest.push():
            asyncio.get_running_loop().remove_writer(guest.fileno())

    def _on_deadline(self, guest: RunningGuest) -> None:
        self._on_control()  # a loop that was busy elsewhere finds an end that came in time
        if self._guest is guest:
            guest.deadline_passed = True
            self._kill(guest)

    # -- endings ---------------------------------------------------------------------------------

    def _kill(self, guest: RunningGuest) -> None:
        """Kill it, and hold the zygote to reporting that."""
        guest.kill()
        if guest.timer is not None:
            guest.timer.cancel()
        guest.timer = asyncio.get_running_loop().call_later(_GRACE_S, self._on_silence)

    def _on_silence(self) -> None:
        logger.error("zygote %d did not report the end of its guest: restarting it", self.pid)
        self._die()

    def _finish(self, guest: RunningGuest, report: bytes) -> None:
        _, status, cpu_s, max_rss_kb = ENDED.unpack(report)
        guest.drain()
        self._release(guest)
        end = guest.end(status=status, cpu_s=cpu_s)
        if not guest.ended.done():
            guest.ended.set_result((end, max_rss_kb))
        self._on_free(self)

    def _release(self, guest: RunningGuest) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(guest.fileno())
        loop.remove_writer(guest.fileno())
        guest.close()
        self._guest = None

    def _die(self) -> None:
        """The zygote is gone or must go; its guest, if any, is lost."""
        control, guest = self._control, self._guest
        assert control is not None
        asyncio.get_running_loop().remove_reader(control.fileno())
        self._bury(control, wait=False)
        self._control, self.pid = None, 0
        if guest is None:
            return
        lost = WorkerLostError(has_begun=guest.has_begun)
        guest.kill()
        self._release(guest)
        if not guest.ended.done():
            guest.ended.set_exception(lost)
        self._on_free(self)

    def _bury(self, control: socket.socket, *, wait: bool = True) -> str:
        """Close the control socket, which ends the zygote; returns what it said on stderr."""
        control.close()
        assert self._process is not None
        if not wait:
            return ""
        self._process.kill()
        try:
            _, errors = self._process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            errors = b""
        self._process = None
        return errors.decode("utf-8", "replace").strip()[-500:] or "it said nothing"
