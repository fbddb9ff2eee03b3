"""The ring against what the standard library has for the same job: one writer, one reader.

    python -m benchmarks.ring [--json FILE] [--directory DIR]

All peers run in the same session, turn by turn, so that a busy host disturbs them alike; each cell
is the median over the rounds. A writer process sends `count` messages of one size; the clock is the
reader's, from its first message to its last. Every message starts with its number, which is
checked. The peers carry bytes and nothing more; the ring also checksums, keeps records until they
are committed, and survives a kill of either side.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol

from engine.wire import RingReader, RingWriter

SIZES: Final = {256: 20_000, 4096: 20_000, 65_536: 4_000, 1 << 20: 300}
"""Messages a round by message size in bytes: long enough to time, short enough to take turns."""
PEERS: Final = ("ring", "Queue", "SimpleQueue", "Pipe")
CAPACITY: Final = 1 << 24
QUEUE_DEPTH: Final = 64
COMMIT_BYTES: Final = CAPACITY // 8
"""The reader commits when it holds this much: it must be well below the capacity, or both wait."""

_spawn = multiprocessing.get_context("spawn")


class Sending(Protocol):
    """The writer's side of a peer; picklable, so that it can be handed to its process."""

    def __call__(self, *, size: int, count: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Both sides of one peer."""

    send: Sending
    receive: Callable[[], bytes]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One peer at one size."""

    peer: str
    size: int
    messages_per_s: float
    """Median over the rounds."""
    low: float
    high: float

    @property
    def mb_per_s(self) -> float:
        return self.messages_per_s * self.size / 1e6


@dataclass(frozen=True, slots=True)
class RingSend:
    path: Path

    def __call__(self, *, size: int, count: int) -> None:
        writer = RingWriter.open(self.path, capacity=CAPACITY, run_id=bytes(16))
        for message in messages(size=size, count=count):
            while writer.try_push(message) is None:
                os.sched_yield()
        writer.close()


@dataclass(frozen=True, slots=True)
class QueueSend:
    queue: "multiprocessing.queues.Queue[bytes] | multiprocessing.queues.SimpleQueue[bytes]"

    def __call__(self, *, size: int, count: int) -> None:
        for message in messages(size=size, count=count):
            self.queue.put(message)


@dataclass(frozen=True, slots=True)
class PipeSend:
    end: "Connection[bytes, bytes]"

    def __call__(self, *, size: int, count: int) -> None:
        for message in messages(size=size, count=count):
            self.end.send_bytes(message)


def messages(*, size: int, count: int) -> "list[bytes]":
    """Numbered messages; made beforehand, so that the peers are timed and not this."""
    body = os.urandom(size - 8)
    distinct = [n.to_bytes(8, "little") + body for n in range(num_distinct(size))]
    return [distinct[n % len(distinct)] for n in range(count)]


def num_distinct(size: int) -> int:
    """How many different messages go round: at most 256 and 16 MiB of them."""
    return min(256, (1 << 24) // size)


def open_channel(peer: str, *, directory: Path) -> Channel:
    """A fresh channel of the named peer."""
    if peer == "ring":
        return _open_ring(directory / f"bench-{time.monotonic_ns()}" / "ring.bin")
    if peer == "Pipe":
        reading, writing = _spawn.Pipe(duplex=False)
        return Channel(send=PipeSend(writing), receive=reading.recv_bytes, close=reading.close)
    queue = _spawn.Queue(QUEUE_DEPTH) if peer == "Queue" else _spawn.SimpleQueue()
    return Channel(send=QueueSend(queue), receive=queue.get, close=queue.close)


def _open_ring(path: Path) -> Channel:
    RingWriter.open(path, capacity=CAPACITY, run_id=bytes(16)).close()
    reader = RingReader.open(path, wait_s=0)
    held = 0

    def receive() -> bytes:
        nonlocal held
        while (record := reader.pop(timeout_s=1.0)) is None:
            pass
        held += len(record.payload)
        if held >= COMMIT_BYTES:
            reader.commit(record.seq + 1)
            held = 0
        return record.payload

    def close() -> None:
        reader.close()
        path.unlink()
        path.parent.rmdir()

    return Channel(send=RingSend(path), receive=receive, close=close)


def time_round(peer: str, *, size: int, count: int, directory: Path) -> float:
    """Messages a second, of one round."""
    channel = open_channel(peer, directory=directory)
    sender = _spawn.Process(target=channel.send, kwargs={"size": size, "count": count})
    sender.start()
    started = 0.0
    for n in range(count):
        message = channel.receive()
        if n == 0:
            started = time.perf_counter()
        if len(message) != size or message[0] != n % num_distinct(size):
            raise RuntimeError(f"{peer}: message {n} is not the one that was sent")
    elapsed = time.perf_counter() - started
    sender.join()
    channel.close()
    return (count - 1) / elapsed


def measure(*, rounds: int, directory: Path) -> list[Cell]:
    """Every peer at every size, in turns."""
    cells = []
    for size, count in SIZES.items():
        rates: dict[str, list[float]] = {peer: [] for peer in PEERS}
        for _ in range(rounds):
            for peer, seen in rates.items():
                seen.append(time_round(peer, size=size, count=count, directory=directory))
        cells += [
            Cell(
                peer=peer,
                size=size,
                messages_per_s=statistics.median(seen),
                low=min(seen),
                high=max(seen),
            )
            for peer, seen in rates.items()
        ]
    return cells


def host() -> dict[str, str]:
    """What the numbers depend on."""
    cpu_info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpu_info if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} before the run",
    }


def table(cells: list[Cell]) -> str:
    """Markdown: medians, the spread, and how many times faster the ring is."""
    ring = {cell.size: cell.messages_per_s for cell in cells if cell.peer == "ring"}
    lines = [
        "| bytes | peer | messages/s | min - max | MB/s | ring / peer |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {cell.size:,} | {cell.peer} | {cell.messages_per_s:,.0f} "
        f"| {cell.low:,.0f} - {cell.high:,.0f} | {cell.mb_per_s:,.0f} "
        f"| {ring[cell.size] / cell.messages_per_s:.1f} |"
        for cell in cells
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()
    about = host() | {"ring file in": str(options.directory)}
    cells = measure(rounds=options.rounds, directory=options.directory)
    print(table(cells))
    print("\n" + "; ".join(f"{name} {value}" for name, value in about.items()))
    if options.json:
        results = {"host": about, "cells": [asdict(cell) for cell in cells]}
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
