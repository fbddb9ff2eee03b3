"""Who holds an end of the ring, and what has become of them.

A claim is four words (pid, start ticks, boot, a random token) and a heartbeat. It is taken under
the lock of the ring's directory, so of two processes that start at once one is refused. A dead
holder's claim is taken over; a live holder's is not, even if its heart has stopped: it may only be
suspended. One that seems dead and is not, as from another pid namespace, finds another token than
its own.
"""

import secrets
import time
from enum import StrEnum
from typing import Final, NamedTuple

from engine.wire.errors import WireError
from engine.wire.process import ProcessIdentity
from engine.wire.ring import layout
from engine.wire.ring.memory import RingMemory

HUNG_AFTER_S: Final = 30.0
"""A live process whose heartbeat is older than this is called hung."""

_TOKEN: Final = 3
_GRACE_S: Final = 0.005
"""For what a holder that was not seen to live has begun: a push takes a hundredth of it."""


class Liveness(StrEnum):
    """What is known of the process at the other end."""

    ALIVE = "alive"
    HUNG = "hung"  # the process exists, its heartbeat is old
    DEAD = "dead"  # the process is gone, whether by close or by kill
    NEVER = "never"  # nobody has opened that end yet


class End(NamedTuple):
    """The words of one end of the ring."""

    name: str
    claim: int
    heartbeat: int


WRITER: Final = End("writer", layout.WRITER_CLAIM, layout.WRITER_HEARTBEAT)
READER: Final = End("reader", layout.READER_CLAIM, layout.READER_HEARTBEAT)


def take(memory: RingMemory, end: End) -> int:
    """Claim an end for this process: `displace` its holder, and `sign`."""
    token = displace(memory, end)
    sign(memory, end)
    return token


def displace(memory: RingMemory, end: End) -> int:
    """End the claim of a dead holder; returns the token that stands there until this is displaced.

    Raises WireError, naming the pid, if a live process holds it.
    """
    holder = _holder(memory, end)
    if holder.is_alive():
        raise WireError(
            f"{memory.path} already has a live {end.name}, pid {holder.pid}; stop it first"
        )
    token = secrets.randbits(64)
    memory.store(end.claim + _TOKEN, token)  # from here on a holder that still runs stops
    if holder.pid:
        time.sleep(_GRACE_S)
    return token


def sign(memory: RingMemory, end: End) -> None:
    """Name this process as the holder, and its boot as the last one."""
    own = ProcessIdentity.current()
    memory.store(end.claim, own.pid)
    memory.store(end.claim + 1, own.start_ticks)
    memory.store(end.claim + 2, own.boot)
    beat(memory, end)


def is_held(memory: RingMemory, end: End, *, token: int) -> bool:
    """Whether the claim is still the one that was taken with this token."""
    return memory.load(end.claim + _TOKEN) == token


def give_up(memory: RingMemory, end: End) -> None:
    """Let another process have this end."""
    memory.store(end.claim, 0)


def beat(memory: RingMemory, end: End) -> None:
    """Show that this end still runs."""
    memory.store(end.heartbeat, time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def liveness(memory: RingMemory, end: End, *, hung_after_s: float = HUNG_AFTER_S) -> Liveness:
    """What has become of the process at `end`."""
    last_beat = memory.load(end.heartbeat)
    if last_beat == 0:
        return Liveness.NEVER
    if not _holder(memory, end).is_alive():
        return Liveness.DEAD
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - last_beat
    return Liveness.HUNG if age_ns > hung_after_s * 1e9 else Liveness.ALIVE


def was_before_boot(memory: RingMemory, end: End) -> bool:
    """True if the last holder ran before this machine was last booted."""
    return memory.load(end.claim + 2) != ProcessIdentity.current().boot


def _holder(memory: RingMemory, end: End) -> ProcessIdentity:
    pid, start_ticks, boot = (memory.load(end.claim + i) for i in range(3))
    return ProcessIdentity(pid=pid, start_ticks=start_ticks, boot=boot)
