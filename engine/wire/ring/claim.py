"""Who holds an end of the ring, and what has become of them.

A claim is three words (pid, start ticks, boot) and a heartbeat. It is taken under the lock of the
ring's directory, so of two processes that start at once one is refused. A dead holder's claim is
taken over; a live holder's is not, even if its heart has stopped: it may only be suspended.
"""

import time
from enum import StrEnum
from typing import Final, NamedTuple

from engine.wire.errors import WireError
from engine.wire.process import ProcessIdentity
from engine.wire.ring import layout
from engine.wire.ring.memory import RingMemory

HUNG_AFTER_S: Final = 30.0
"""A live process whose heartbeat is older than this is called hung."""


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


def take(memory: RingMemory, end: End) -> None:
    """Claim an end for this process. Raises WireError, naming the pid, if a live one holds it."""
    holder = _holder(memory, end)
    if holder.is_alive():
        raise WireError(
            f"{memory.path} already has a live {end.name}, pid {holder.pid}; stop it first"
        )
    own = ProcessIdentity.current()
    memory.store(end.claim, own.pid)
    memory.store(end.claim + 1, own.start_ticks)
    memory.store(end.claim + 2, own.boot)
    beat(memory, end)


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
