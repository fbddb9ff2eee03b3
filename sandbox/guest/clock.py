"""Layer: a trap on the time-stamp counter, so that reading any clock of the vDSO ends a guest.

Each guest sets the trap itself. Two trial children tell beforehand whether it is of use here. One
makes ordinary calls and must survive: CPython 3.12 takes a lock, and with it reads a clock, at the
first keyword call of each of its functions. One reads the clock and must die: some machines have
theirs elsewhere than in the time-stamp counter.
"""

import _thread
import os
from collections.abc import Callable

from sandbox.guest import kernel


def probe_trap() -> str:
    """Says what guests will have; OSError if the trap is of no use on this host."""
    if not _survives_trap(_call_by_keyword):
        raise OSError("not on this processor, or this Python reads clocks on its own (3.12 does)")
    if _survives_trap(_wait_a_moment):
        raise OSError("the clock of this machine is not the time-stamp counter")
    return "time-stamp counter trapped"


def _call_by_keyword() -> None:
    """Functions that nothing else here has called yet."""
    "".expandtabs(tabsize=4)
    b"".splitlines(keepends=True)
    bytearray().rsplit(sep=None, maxsplit=1)
    sum((), start=0)


def _wait_a_moment() -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire(True, 0.001)


def _survives_trap(action: Callable[[], None]) -> bool:
    """Whether a child with the trap set gets through `action`."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.trap_clock()
            action()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
