"""What the two processes of a channel do: send and receive, or ask and echo.

Messages are numbered, made beforehand, and go round. Whoever receives computes XXH3 over each
message, which touches every byte, and compares it with that of the message whose turn it is: one
that is altered, lost, doubled or out of order is noticed, whoever carried it.

The clock of a stream runs from the first message sent to the last one checked, which are in two
processes: it is the machine's, the same in both. That of a round trip is the asking process's.
"""

import contextlib
import itertools
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final, Protocol

import xxhash

from benchmarks.channels import Channel

CPU: Final = 0
"""What a process is told so that it says its CPU; other numbers are counts of messages."""
_MAX_DISTINCT: Final = 997
_DECK_BYTES: Final = 1 << 25

digest: Final = xxhash.xxh3_64_intdigest

Play = Callable[[int], list[float]]
"""Passes so many messages; returns what was timed, in seconds: of a stream when it began or ended,
of round trips how long each took."""
Control = Connection


class WrongMessageError(Exception):
    """A peer delivered something else than what was sent, or nothing."""


def deck(size: int) -> list[bytes]:
    """Numbered messages of `size` bytes, the same in every process."""
    body = random.Random(size).randbytes(size - 8)
    num_distinct = min(_MAX_DISTINCT, _DECK_BYTES // size)
    return [n.to_bytes(8, "little") + body for n in range(num_distinct)]


class Side(Protocol):
    """What one process does; picklable at its start."""

    def opened(self) -> AbstractContextManager[Play]:
        """Open the ends and be ready to play."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Sends."""

    channel: Channel
    size: int

    @contextmanager
    def opened(self) -> Iterator[Play]:
        messages = itertools.cycle(deck(self.size))
        with self.channel.sending() as send:

            def play(count: int) -> list[float]:
                some = list(itertools.islice(messages, count))
                began = time.perf_counter()
                send(some)
                return [began]

            yield play


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Receives and checks."""

    channel: Channel
    size: int

    @contextmanager
    def opened(self) -> Iterator[Play]:
        expected = itertools.cycle([(m, digest(m)) for m in deck(self.size)])
        with self.channel.receiving() as stream:

            def play(count: int) -> list[float]:
                for sent, wanted in itertools.islice(expected, count):
                    message = next(stream)
                    if digest(message) != wanted:
                        _check(message, sent, wanted)
                return [time.perf_counter()]

            yield play


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Sends a message, waits for it to come back, checks it; times each round trip."""

    there: Channel
    back: Channel
    size: int

    @contextmanager
    def opened(self) -> Iterator[Play]:
        expected = itertools.cycle([(m, digest(m)) for m in deck(self.size)])
        with self.there.sending() as send, self.back.receiving() as replies:

            def play(count: int) -> list[float]:
                took_s, clock = [], time.perf_counter
                for sent, wanted in itertools.islice(expected, count):
                    began = clock()
                    send((sent,))
                    reply = next(replies)
                    took_s.append(clock() - began)
                    _check(reply, sent, wanted)
                return took_s

            yield play


@dataclass(frozen=True, slots=True, kw_only=True)
class Echoing:
    """Sends back what comes."""

    there: Channel
    back: Channel

    @contextmanager
    def opened(self) -> Iterator[Play]:
        with self.there.receiving() as requests, self.back.sending() as send:

            def play(count: int) -> list[float]:
                for message in itertools.islice(requests, count):
                    send((message,))
                return []

            yield play


def _check(message: bytes, sent: bytes, wanted: int) -> None:
    if digest(message) == wanted:
        return
    number, seen = (int.from_bytes(m[:8], "little") for m in (sent, message))
    raise WrongMessageError(
        f"expected message {number} of {len(sent)} bytes, got {len(message)} bytes that say they "
        f"are {seen}" + (" and are altered" if number == seen else "")
    )


def serve(side: Side, control: "Control") -> None:
    """The life of such a process: play as often as told, until told None."""
    with control, contextlib.suppress(EOFError, BrokenPipeError), side.opened() as play:
        control.send([])
        while (told := control.recv()) is not None:
            try:
                control.send([_cpu_s()] if told == CPU else play(told))
            except WrongMessageError as wrong:
                control.send(str(wrong))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
