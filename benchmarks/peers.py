"""Who takes part in the ring's benchmark, and what each one is.

They do not offer the same, and `offers` says so. Only the ring checks what it carries: it computes
XXH3 over every message on either side and cannot be told not to. Only the ring still has the
messages when a process was killed, and keeps them until they are committed.
"""

import importlib.util
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.channels import (
    Channel,
    PipeChannel,
    Plan,
    QueueChannel,
    Send,
    SocketChannel,
    ZmqChannel,
    depth_at,
)
from benchmarks.slots import SlotChannel
from engine.wire import RingReader, RingWriter

BATCH: Final = 64
"""Most records of a batch call of the ring."""
BATCH_BYTES: Final = 1 << 18
"""Most bytes of it, but for a single record: what was copied should still be in the cache."""
_FULL_S: Final = 1e-4
"""The ring's writer never waits for room; the benchmark's comes back after this."""
_POP_S: Final = 1.0
_HEADER_BYTES: Final = 32


def capacity_at(size: int) -> int:
    """A ring for `depth_at` messages: the power of two above those, or above fifteen, in bytes."""
    return 1 << (max(depth_at(size), 15) * (size + _HEADER_BYTES)).bit_length()


@dataclass(frozen=True, slots=True, kw_only=True)
class RingChannel(Channel):
    """The ring, one push and one pop a message."""

    path: Path
    capacity: int

    @classmethod
    def open(cls, plan: Plan) -> Self:
        return cls(path=plan.file / "ring.bin", capacity=capacity_at(plan.size))

    @contextmanager
    def sending(self) -> Iterator[Send]:
        writer = RingWriter.open(self.path, capacity=self.capacity, run_id=bytes(16))
        yield self._sender(writer)
        writer.close()

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        reader = RingReader.open(self.path, wait_s=30.0)
        yield self._popped(reader)
        reader.close()

    def _sender(self, writer: RingWriter) -> Send:
        def send(messages: Sequence[bytes]) -> None:
            push = writer.try_push
            for message in messages:
                while push(message) is None:
                    time.sleep(_FULL_S)

        return send

    def _popped(self, reader: RingReader) -> Iterator[bytes]:
        held, limit = 0, self.capacity // 8  # below the capacity by far, or both would wait
        while True:
            record = reader.pop(timeout_s=_POP_S)
            if record is None:
                continue
            yield record.payload
            held += len(record.payload)
            if held >= limit:
                reader.commit(record.seq + 1)
                held = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChannel(RingChannel):
    """The ring, many records a call and one wake for all of them."""

    most: int
    """Records a call."""

    @classmethod
    def open(cls, plan: Plan) -> Self:
        most = max(1, min(BATCH, BATCH_BYTES // plan.size))
        path = plan.file / "ring.bin"
        return cls(path=path, capacity=capacity_at(plan.size), most=most)

    def _sender(self, writer: RingWriter) -> Send:
        def send(messages: Sequence[bytes]) -> None:
            for start in range(0, len(messages), self.most):
                batch = messages[start : start + self.most]
                while batch := batch[writer.try_push_many(batch) :]:
                    time.sleep(_FULL_S)

        return send

    def _popped(self, reader: RingReader) -> Iterator[bytes]:
        held, limit = 0, self.capacity // 8
        while True:
            for record in reader.pop_many(self.most, timeout_s=_POP_S):
                yield record.payload
                held += len(record.payload)
                if held >= limit:
                    reader.commit(record.seq + 1)
                    held = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way from process to process, and what it needs."""

    key: str
    name: str
    offers: str
    open: Callable[[Plan], Channel]
    checks: bool = False
    """Whether it checks what it carries, in the time that is measured."""
    needs: str = ""
    """A Python package."""

    def missing(self) -> str:
        """Why it cannot take part; empty if it can."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"no package {self.needs} for this Python; try `pip install {INSTALL}`"
        if self.key == "slots" and platform.machine() not in ("x86_64", "AMD64"):
            return f"it would need fences on {platform.machine()}"
        return ""


INSTALL: Final = "pyzmq msgspec"
"""What completes the tables."""
OURS: Final = "ring"
BATCHED: Final = "ring-batch"
PEERS: Final = (
    Peer(key=OURS, name="ring", offers="bytes; outlives a kill", open=RingChannel.open,
         checks=True),
    Peer(key=BATCHED, name="ring, in batches", offers=f"the same; {BATCH} records or "
         f"{BATCH_BYTES >> 10} KiB a call", open=BatchChannel.open, checks=True),
    Peer(key="queue", name="multiprocessing.Queue", offers="any object, many sides",
         open=QueueChannel.buffered),
    Peer(key="simple-queue", name="multiprocessing.SimpleQueue", offers="any object, many sides",
         open=QueueChannel.simple),
    Peer(key="pipe", name="multiprocessing.Pipe", offers="bytes", open=PipeChannel.open),
    Peer(key="unix", name="AF_UNIX stream", offers="bytes", open=SocketChannel.open),
    Peer(key="zmq", name="ZeroMQ PUSH/PULL", offers="bytes, many sides, batches of its own",
         open=ZmqChannel.copying, needs="zmq"),
    Peer(key="zmq-view", name="ZeroMQ, copy=False", offers="the same; views, not bytes",
         open=ZmqChannel.viewing, needs="zmq"),
    Peer(key="slots", name="polling slots", offers="bytes; burns a core on either side",
         open=SlotChannel.open),
)  # fmt: skip
