"""Several rings read as one, fairly: one ring an engine, one trainer.

Each ring in turn may give as many bytes as it has credit. A turn adds a quantum of credit and a
record costs its size, so credit may be overdrawn by one record, which the ring pays back in its
next turns; a ring that has nothing loses what it saved. Over any stretch in which two rings have
records waiting, the bytes taken from them differ by at most two quanta and a record (surplus round
robin; after Shreedhar and Varghese, "Efficient fair queuing using deficit round-robin", 1995).

The order in which records of different rings come depends on when they arrive. Within one ring it
never does.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from engine.wire.ring import layout
from engine.wire.ring.memory import RingMemory
from engine.wire.ring.record import Record
from engine.wire.ring.waiting import wait_any

QUANTUM_BYTES: Final = 1 << 16
"""Credit of one turn: larger favours long reads from one ring, smaller alternates more."""


class Stream(Protocol):
    """One ring, as seen by its reader."""

    @property
    def name(self) -> str:
        """What the ring is called in its run."""
        ...

    @property
    def memory(self) -> RingMemory:
        """What is slept on."""
        ...

    @property
    def is_closed(self) -> bool:
        """Nothing will be pushed any more; what was pushed may still be there."""
        ...

    def pop(self, *, timeout_s: float) -> Record | None:
        """The next record, or None."""
        ...


class FanIn:
    """Pops from streams in fair turns. One thread of one process."""

    def __init__(self, *, quantum_bytes: int = QUANTUM_BYTES) -> None:
        self._streams: list[Stream] = []
        self._credit: dict[str, int] = {}
        self._turn = 0
        self._quantum = quantum_bytes

    @property
    def streams(self) -> Sequence[Stream]:
        """What is read, in the order of the turns."""
        return self._streams

    @property
    def credit(self) -> Mapping[str, int]:
        """Bytes that each stream may still give in its turn; below 0: it is paying back."""
        return self._credit

    def add(self, stream: Stream) -> None:
        """Read this one as well from now on. ValueError if there is one of its name."""
        if stream.name in self._credit:
            raise ValueError(f"expected a new stream, {stream.name} is read already")
        self._streams.append(stream)
        self._credit[stream.name] = 0

    def pop(self, *, timeout_s: float) -> tuple[str, Record] | None:
        """The next record and its stream's name; None after `timeout_s`, or when all is over.

        All is over when every stream is closed and drained. Sleeps in the kernel meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # Both before looking for records: what comes in between is then not slept on.
            is_over = all(stream.is_closed for stream in self._streams)
            memories = [stream.memory for stream in self._streams]
            tails = [memory.load(layout.TAIL) for memory in memories]
            found = self._next()
            left_s = deadline - time.monotonic()
            if found or (is_over and self._streams) or left_s <= 0:
                return found
            wait_any(memories, tails=tails, timeout_s=left_s)

    def _next(self) -> tuple[str, Record] | None:
        idle: set[str] = set()
        while len(idle) < len(self._streams):
            stream = self._streams[self._turn]
            if self._credit[stream.name] > 0:
                record = stream.pop(timeout_s=0)
                if record is not None:
                    self._credit[stream.name] -= layout.record_size(len(record.payload))
                    return stream.name, record
                self._credit[stream.name] = 0
                idle.add(stream.name)
            self._turn = (self._turn + 1) % len(self._streams)
            self._credit[self._streams[self._turn].name] += self._quantum
        return None
