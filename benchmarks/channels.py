"""What others have for one writing and one reading process, a channel each.

A channel carries whole messages in order and waits when it is full; so much they all share. It is
picklable and travels to the two processes, each of which opens one end of it. Each has its best
sensible settings, and room for as many messages as `depth_at` says, where it can be told.
"""

import fcntl
import io
import multiprocessing
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Self

_MAX_DEPTH: Final = 1000
_ROOM_BYTES: Final = 1 << 25
_PIPE_BYTES: Final = 1 << 20
_SOCKET_BYTES: Final = 1 << 22
_STREAM_BYTES: Final = 1 << 18
_PREFIX_BYTES: Final = 8

SPAWN = multiprocessing.get_context("spawn")
Send = Callable[[Sequence[bytes]], None]
"""Sends messages one by one, or in the peer's batches; returns once the peer has taken them."""


def depth_at(size: int) -> int:
    """Messages that may wait in a channel: 1,000, or as many as 32 MiB hold, but at least eight."""
    return max(8, min(_MAX_DEPTH, _ROOM_BYTES // size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a channel is for."""

    size: int
    """Bytes of a message."""
    directory: Path
    """Where it may keep a file or a directory of its own name."""
    use: str
    """Unique in this process."""

    @property
    def depth(self) -> int:
        return depth_at(self.size)

    @property
    def name(self) -> str:
        """Unique on this machine."""
        return f"kelvin-{os.getpid()}-{self.use}"

    @property
    def file(self) -> Path:
        return self.directory / self.name


class Channel(ABC):
    """A peer between two processes; picklable at the start of a process."""

    @abstractmethod
    def sending(self) -> AbstractContextManager[Send]:
        """Open the sender's end."""

    @abstractmethod
    def receiving(self) -> AbstractContextManager[Iterator[bytes]]:
        """Open the receiver's end: the messages, for ever."""

    def close(self) -> None:  # noqa: B027 - most hold nothing before an end is opened
        """Let go of what the process that made it holds; after both others have started."""


@dataclass(frozen=True, slots=True)
class QueueChannel(Channel):
    """`multiprocessing.Queue` or `SimpleQueue`: pickles, through a pipe and under a lock."""

    queue: "multiprocessing.queues.Queue[bytes] | multiprocessing.queues.SimpleQueue[bytes]"

    @classmethod
    def buffered(cls, plan: Plan) -> Self:
        """The one with a thread between the sender and the pipe."""
        return cls(SPAWN.Queue(plan.depth))

    @classmethod
    def simple(cls, _plan: Plan) -> Self:
        """The one without; the pipe, 64 KiB, is all its room."""
        return cls(SPAWN.SimpleQueue())

    @contextmanager
    def sending(self) -> Iterator[Send]:
        def send(messages: Sequence[bytes]) -> None:
            put = self.queue.put
            for message in messages:
                put(message)

        yield send
        self.queue.close()

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        yield iter(self.queue.get, None)
        self.queue.close()

    def close(self) -> None:
        self.queue.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeChannel(Channel):
    """`multiprocessing.Pipe` with the largest buffer that an ordinary user may ask for."""

    reading: "Connection[bytes, bytes]"
    writing: "Connection[bytes, bytes]"

    @classmethod
    def open(cls, _plan: Plan) -> Self:
        reading, writing = SPAWN.Pipe(duplex=False)
        fcntl.fcntl(writing.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return cls(reading=reading, writing=writing)

    @contextmanager
    def sending(self) -> Iterator[Send]:
        def send(messages: Sequence[bytes]) -> None:
            send_bytes = self.writing.send_bytes
            for message in messages:
                send_bytes(message)

        with self.writing:
            yield send

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        with self.reading:
            yield iter(self.reading.recv_bytes, None)

    def close(self) -> None:
        self.reading.close()
        self.writing.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketChannel(Channel):
    """A connected pair of AF_UNIX stream sockets; each message behind its length."""

    reading: socket.socket
    writing: socket.socket

    @classmethod
    def open(cls, _plan: Plan) -> Self:
        reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
        return cls(reading=reading, writing=writing)

    @contextmanager
    def sending(self) -> Iterator[Send]:
        def send(messages: Sequence[bytes]) -> None:
            for message in messages:
                prefix = len(message).to_bytes(_PREFIX_BYTES, "little")
                sent = self.writing.sendmsg((prefix, message))
                if sent < len(prefix) + len(message):
                    self.writing.sendall((prefix + message)[sent:])

        with self.writing:
            yield send

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        with self.reading, self.reading.makefile("rb", buffering=_STREAM_BYTES) as stream:
            yield _framed(stream)

    def close(self) -> None:
        self.reading.close()
        self.writing.close()


def _framed(stream: io.IOBase) -> Iterator[bytes]:
    while prefix := stream.read(_PREFIX_BYTES):
        yield stream.read(int.from_bytes(prefix, "little"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZmqChannel(Channel):
    """ZeroMQ PUSH to PULL over ipc: a thread on either side moves what is there in one go."""

    address: str
    depth: int
    copies: bool

    @classmethod
    def copying(cls, plan: Plan) -> Self:
        return cls(address=f"ipc://@{plan.name}", depth=plan.depth, copies=True)

    @classmethod
    def viewing(cls, plan: Plan) -> Self:
        """With copy=False; pyzmq copies all the same what is below 64 KiB."""
        return cls(address=f"ipc://@{plan.name}", depth=plan.depth, copies=False)

    @contextmanager
    def sending(self) -> Iterator[Send]:
        import zmq

        with zmq.Context() as context, context.socket(zmq.PUSH) as end:
            end.set_hwm(self.depth)
            end.connect(self.address)

            send_one = end.send if self.copies else partial(end.send, copy=False)

            def send(messages: Sequence[bytes]) -> None:
                for message in messages:
                    send_one(message)

            yield send

    @contextmanager
    def receiving(self) -> Iterator[Iterator[bytes]]:
        import zmq

        with zmq.Context() as context, context.socket(zmq.PULL) as end:
            end.set_hwm(self.depth)
            end.bind(self.address)
            yield iter(end.recv, None) if self.copies else _views(end)


def _views(end: object) -> Iterator[bytes]:
    while True:
        yield end.recv(copy=False).buffer  # type: ignore[attr-defined]  # and a memoryview
