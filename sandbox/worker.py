"""The host's handle of one zygote: starts it, gives it guests, sees them out.

A zygote has a few slots for guests, but takes a new one only while none of its guests is young:
short programs run one after the other, as many at a time as there are zygotes, while one that
runs for long moves over into the background and holds up nobody until every slot has such a one.

Event-driven, without tasks of its own: the loop calls back when the control socket has something
and when a guest's clock runs out. Whoever awaits a guest may be cancelled; the guest is then
killed and its slot is free when the zygote has reaped it.

A guest's end is always two facts: the zygote's report (wait status, usage) and the bytes on the
call's socket. The report comes after the guest is reaped, so by then every byte is in the socket;
only a guest that grows old is watched before that, as its frame may be larger than what a socket
holds. Waits are bounded: the deadline has the guest killed; a zygote that stays silent after that
is killed, and its calls are lost.
"""

import asyncio
import logging
import socket
from typing import Protocol

from sandbox.errors import SandboxError
from sandbox.guest.zygote import ENDED, FORK, KILL
from sandbox.jail import launch
from sandbox.judge import End
from sandbox.process import ZygoteProcess
from sandbox.running import RunningGuest

logger = logging.getLogger(__name__)
_GRACE_S = 10.0
_YOUNG_S = 0.02
"""Longer than most programs run; a longer one costs two timers and two calls of the loop more."""
_MAX_GUESTS = 20_000
"""After so many a zygote is replaced: whatever may grow in it has an end."""
_MAX_GROWTH_KB = 4096
_MAX_DESCRIPTORS_OVER = 8


class WorkerLostError(SandboxError):
    """The zygote vanished with the call; nothing is known of the guest."""

    def __init__(self, *, has_begun: bool) -> None:
        super().__init__("the zygote vanished")
        self.has_begun = has_begun
        """Whether a guest may have read its job; else the zygote was dead before it could fork."""


class Owner(Protocol):
    """Who hands out the workers."""

    def put_back(self, worker: "Worker") -> None:
        """The guest that was started last needs the worker's attention no more."""

    def offer(self, worker: "Worker") -> None:
        """A guest has left."""


class Worker:
    """One zygote. Taken for starting one guest; its owner gets it back when that has grown old."""

    def __init__(self, *, boot: launch.Boot, seed: int, uid: int, owner: Owner) -> None:
        self.seed = seed
        self.layers: dict[str, tuple[bool, str]] = {}
        self.num_starts = 0
        self.num_recycled = 0
        self.is_recycled = False
        """Whether the last zygote was ended because it was worn."""
        self._boot, self._uid, self._owner = boot, uid, owner
        self._zygote: ZygoteProcess | None = None
        """The newest one; it may have ended, and is then to be joined."""
        self._control: socket.socket | None = None
        """Its control socket; None when it has ended."""
        self._guests: dict[int, RunningGuest] = {}
        self._young: RunningGuest | None = None
        self._num_served = 0
        self._first_rss_kb = 0
        self._is_worn = False

    @property
    def is_alive(self) -> bool:
        """Whether there is a zygote to take a call."""
        return self._control is not None

    @property
    def pid(self) -> int:
        """The inner zygote, as the host sees it; 0 while there is none."""
        return self._zygote.pid if self._zygote is not None and self.is_alive else 0

    @property
    def has_room(self) -> bool:
        """Whether a guest can be started, after a restart if it is dead or worn."""
        return self._young is None and len(self._guests) < self._boot.slots and not self._is_worn

    @property
    def num_guests(self) -> int:
        """Guests that run now."""
        return len(self._guests)

    async def start(self) -> None:
        """Launch a zygote and wait for its report; SandboxUnavailable says why not."""
        zygote = await ZygoteProcess.start(self._boot, seed=self.seed, uid=self._uid)
        self._zygote, self._control = zygote, zygote.control
        self.layers = zygote.layers
        self.num_starts += 1
        self._num_served = self._first_rss_kb = 0
        self._is_worn = self.is_recycled = False
        asyncio.get_running_loop().add_reader(zygote.control.fileno(), self._on_control)

    async def execute(self, job: bytes, *, wall_s: float, max_frame: int) -> tuple[End, float]:
        """Run one guest to its end; also its peak resident kilobytes. WorkerLostError if lost.

        Waits for the guest; unblocked by its end, the deadline, or the death of the zygote.
        """
        assert self._control is not None
        assert self._young is None
        loop = asyncio.get_running_loop()
        slot = next(n for n in range(self._boot.slots) if n not in self._guests)
        call = self._open_call(slot)
        guest = RunningGuest(
            call, slot=slot, job=job, max_frame=max_frame, ended=loop.create_future()
        )
        self._guests[slot] = self._young = guest
        guest.timer = loop.call_later(min(_YOUNG_S, wall_s), self._on_old, guest, wall_s)
        if not guest.push():
            loop.add_writer(guest.fileno(), self._on_writable, guest)
            self._watch(guest)
        try:
            return await guest.ended
        except asyncio.CancelledError:
            if self._guests.get(slot) is guest:  # else its end came in the same turn
                self._kill(guest)
            raise

    def _open_call(self, slot: int) -> socket.socket:
        """Order a fork; our end of the new guest's socket."""
        assert self._control is not None
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # no descriptors left: our fault, and not the worker's
            self._owner.put_back(self)
            raise
        with theirs:
            ours.setblocking(False)
            try:
                socket.send_fds(self._control, [FORK + bytes([slot])], [theirs.fileno()])
            except OSError as error:
                ours.close()
                self._die()
                self._owner.put_back(self)
                raise WorkerLostError(has_begun=False) from error
        return ours

    def stop(self) -> None:
        """Ask the zygote to end, guests and all; `join` waits for it."""
        if self._control is not None:
            self._die()

    def join(self, timeout_s: float) -> None:
        """Wait until the last zygote's processes are gone. Blocks."""
        if self._zygote is not None:
            self._zygote.join(timeout_s)
            self._zygote = None

    # -- the loop calls these ------------------------------------------------------------------

    def _on_control(self) -> None:
        """Take every message there is: a loop that was late must see the end before the clock."""
        while self._control is not None:
            try:
                report = self._control.recv(ENDED.size + 1)
            except BlockingIOError:
                return
            except OSError:
                report = b""
            guest = self._guests.get(report[0]) if len(report) == ENDED.size else None
            if guest is None:
                self._die()
                return
            self._finish(guest, report)

    def _on_claim(self, guest: RunningGuest) -> None:
        """Take what is there; a frame over the cap ends the guest, an end of file ends nothing."""
        if not guest.pull():
            asyncio.get_running_loop().remove_reader(guest.fileno())
            if guest.has_overflowed:
                self._kill(guest)

    def _on_writable(self, guest: RunningGuest) -> None:
        if guest.push():
            asyncio.get_running_loop().remove_writer(guest.fileno())

    def _on_old(self, guest: RunningGuest, wall_s: float) -> None:
        """It is no short program: watch its socket, set the clock, let others in beside it."""
        self._on_control()  # a loop that was busy elsewhere finds an end that came in time
        if self._guests.get(guest.slot) is not guest:
            return
        self._watch(guest)
        loop = asyncio.get_running_loop()
        guest.timer = loop.call_later(max(wall_s - _YOUNG_S, 0), self._on_deadline, guest)
        self._age(guest)

    def _watch(self, guest: RunningGuest) -> None:
        if not guest.is_watched:
            guest.is_watched = True
            asyncio.get_running_loop().add_reader(guest.fileno(), self._on_claim, guest)

    def _on_deadline(self, guest: RunningGuest) -> None:
        self._on_control()
        if self._guests.get(guest.slot) is guest:
            guest.deadline_passed = True
            self._kill(guest)

    # -- endings ---------------------------------------------------------------------------------

    def _age(self, guest: RunningGuest) -> None:
        if self._young is guest:
            self._young = None
            self._owner.put_back(self)

    def _kill(self, guest: RunningGuest) -> None:
        """Have it killed, and hold the zygote to reporting that."""
        assert self._control is not None
        if guest.timer is not None:
            guest.timer.cancel()
        guest.timer = asyncio.get_running_loop().call_later(_GRACE_S, self._on_silence)
        try:
            self._control.send(KILL + bytes([guest.slot]))
        except OSError:  # dead, or so deaf that its socket is full
            self._die()

    def _on_silence(self) -> None:
        logger.error("zygote %d did not report the end of its guest: restarting it", self.pid)
        if self._control is not None:
            self._die()

    def _finish(self, guest: RunningGuest, report: bytes) -> None:
        _, status, cpu_s, max_rss_kb, own_rss_kb, descriptor = ENDED.unpack(report)
        guest.drain()
        self._release(guest)
        end = guest.end(status=status, cpu_s=cpu_s)
        if not guest.ended.done():
            guest.ended.set_result((end, max_rss_kb))
        self._wear(own_rss_kb, descriptor)
        if self._young is guest:
            self._age(guest)
        else:
            self._owner.offer(self)

    def _wear(self, own_rss_kb: int, descriptor: int) -> None:
        """Retire a zygote that has served long, or that holds more than when it was new."""
        self._num_served += 1
        self._first_rss_kb = self._first_rss_kb or own_rss_kb
        self._is_worn = self._is_worn or (
            self._num_served >= _MAX_GUESTS
            or own_rss_kb > self._first_rss_kb + _MAX_GROWTH_KB
            or descriptor > self._boot.slots + _MAX_DESCRIPTORS_OVER
        )
        if self._is_worn and not self._guests:
            self.num_recycled += 1
            self.is_recycled = True
            self._die()

    def _release(self, guest: RunningGuest) -> None:
        if guest.is_watched:
            loop = asyncio.get_running_loop()
            loop.remove_reader(guest.fileno())
            loop.remove_writer(guest.fileno())
        guest.close()
        del self._guests[guest.slot]

    def _die(self) -> None:
        """The zygote is gone or must go; its guests, if any, are lost."""
        assert self._control is not None
        assert self._zygote is not None
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._zygote.close()
        self._control, self._is_worn = None, False
        guests, young = list(self._guests.values()), self._young
        for guest in guests:
            lost = WorkerLostError(has_begun=guest.has_begun)
            self._release(guest)
            if not guest.ended.done():
                guest.ended.set_exception(lost)
        self._young = None
        if young is not None:
            self._owner.put_back(self)
        else:
            self._owner.offer(self)
