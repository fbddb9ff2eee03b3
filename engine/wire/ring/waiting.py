"""Sleeping until any of several tails moves.

Linux has one call for it since 5.16 (`futex_waitv`). Where there is none, or a container's filter
forbids it, a short sleep takes its place: the price is a millisecond of latency, never a record.
"""

import time
from collections.abc import Sequence
from typing import Final

from engine.wire.ring import futex, layout
from engine.wire.ring.memory import PARK_S, RingMemory

_NAP_S: Final = 1e-3


def wait_any(memories: Sequence[RingMemory], *, tails: Sequence[int], timeout_s: float) -> None:
    """Sleep while each ring's tail is still that of `tails`, at most PARK_S; may return early.

    Only their reader may call it.
    """
    timeout_s = min(timeout_s, PARK_S)
    if timeout_s <= 0:
        return
    if not memories:
        time.sleep(timeout_s)
    elif len(memories) == 1:
        memories[0].wait(tail=tails[0], timeout_s=timeout_s)
    elif not _wait_in_kernel(memories, tails=tails, timeout_s=timeout_s):
        time.sleep(min(timeout_s, _NAP_S))


def _wait_in_kernel(
    memories: Sequence[RingMemory], *, tails: Sequence[int], timeout_s: float
) -> bool:
    """False if this kernel cannot."""
    for memory in memories:
        memory.store(layout.READER_ASLEEP, 1)
    addresses = [memory.address(layout.TAIL) for memory in memories]
    can = futex.wait_any(addresses, seen=tails, timeout_s=timeout_s)
    for memory in memories:
        memory.store(layout.READER_ASLEEP, 0)
    return can
