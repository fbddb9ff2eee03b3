"""How a writer in an event loop learns that the reader has freed space: never blocking, never lost.

The reader is a real process. Nothing here asserts how soon: a bell that is deaf costs a re-check.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import uvloop

from engine.wire import RingWriter
from engine.wire.ring import doorbell, layout
from engine.wire.ring.doorbell import Doorbell
from engine.wire.ring.memory import RingMemory

RUN_ID = b"d" * 16
CAPACITY = 1 << 12
PATIENCE_S = 60.0

READER = """
    import sys
    from pathlib import Path
    from engine.wire import RingReader
    reader = RingReader.open(Path(sys.argv[1]), wait_s=60)
    print("open", flush=True)
    for line in sys.stdin:
        records = reader.pop_many(1, timeout_s=60)
        reader.commit(records[0].seq + 1)
        print(records[0].seq, flush=True)
"""


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ring-0.bin"


@pytest.fixture
def bell(path):
    return path.with_suffix(".bell")


def open_full(path):
    """A writer whose ring has no room left."""
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    fill(writer)
    return writer


def fill(writer):
    while writer.try_push(bytes(CAPACITY // 8 - layout.RECORD_BYTES)) is not None:
        pass


def descriptors_of(path):
    """This process's descriptors of a file."""
    found = Path("/proc/self/fd").iterdir()
    return [int(entry.name) for entry in found if os.path.realpath(entry) == str(path)]


class Reader:
    """A process that commits one record at each word."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(READER), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.process.stdout.readline() == "open\n"

    def commit_one(self):
        self.process.stdin.write("commit\n")

    def committed(self):
        return int(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


async def room(writer):
    """Return when there is room; TimeoutError if that is not noticed."""
    async with asyncio.timeout(PATIENCE_S):
        await writer.space(timeout_s=2 * PATIENCE_S)


async def ticks_during(coroutine):
    """How often another task of the loop came to run meanwhile."""
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticker = asyncio.create_task(tick())
    try:
        await coroutine
    finally:
        ticker.cancel()
    return ticks


def test_a_commit_of_another_process_ends_the_wait_and_the_loop_runs_on(run, path):
    async def main():
        with Reader(path) as reader:
            for expected in range(20):
                asyncio.get_running_loop().call_later(0.02, reader.commit_one)
                assert await ticks_during(room(writer)) > 1
                assert reader.committed() == expected
                fill(writer)
                assert writer.next_seq == first + expected + 1

    writer = open_full(path)
    first = writer.next_seq
    run(main())
    writer.close()


def test_the_bell_alone_ends_the_wait(run, path, monkeypatch):
    """Without the re-check, so that it is the FIFO that wakes."""
    monkeypatch.setattr("engine.wire.ring.writer._RECHECK_S", 10 * PATIENCE_S)

    async def main():
        with Reader(path) as reader:
            for _ in range(20):
                waiting = asyncio.create_task(room(writer))
                await asyncio.sleep(0)  # it listens
                reader.commit_one()
                await waiting
                reader.committed()
                fill(writer)

    writer = open_full(path)
    run(main())
    writer.close()


def test_space_that_was_freed_before_the_wait_is_not_missed(run, path):
    writer = open_full(path)
    with Reader(path) as reader:
        reader.commit_one()
        reader.committed()
        run(room(writer))
    writer.close()


def test_without_a_commit_the_wait_ends_at_its_time_and_the_loop_runs_on(run, path):
    writer = open_full(path)
    assert run(ticks_during(writer.space(timeout_s=0.3))) > 1
    assert RingMemory(path).load(layout.WANTS_SPACE) == 0
    writer.close()


def test_a_reader_that_was_killed_and_started_again_is_heard(run, path):
    async def main():
        waiting = asyncio.create_task(room(writer))
        first = Reader(path)
        first.process.send_signal(signal.SIGSTOP)  # it will not answer any more
        first.commit_one()
        await asyncio.sleep(0.05)
        first.kill()
        assert not waiting.done()
        with Reader(path) as second:
            second.commit_one()
            await waiting
            assert second.committed() == 0

    writer = open_full(path)
    run(main())
    writer.close()


def test_a_bell_that_was_deleted_is_made_again_and_meanwhile_costs_a_recheck(run, path, bell):
    async def main():
        bell.unlink()
        with Reader(path) as reader:  # which makes another one, of the same name
            assert bell.is_fifo()
            reader.commit_one()
            await room(writer)

    writer = open_full(path)
    run(main())
    writer.close()
    bell.unlink()
    RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).close()
    assert bell.is_fifo()


def test_a_full_bell_rings_and_a_commit_does_not_wait_for_it(run, path, bell):
    async def main():
        with Reader(path) as reader:
            reader.commit_one()
            await room(writer)
            assert reader.committed() == 0

    writer = open_full(path)
    descriptor = os.open(bell, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, bytes(4096))
    run(main())
    os.close(descriptor)
    writer.close()


def test_a_filesystem_without_fifos_leaves_the_recheck(run, path, bell, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError(95, "Operation not supported")

    async def main():
        with Reader(path) as reader:
            bell.unlink()  # the reader's
            reader.commit_one()
            await room(writer)

    monkeypatch.setattr(doorbell.os, "mkfifo", refuse)
    writer = open_full(path)
    assert not bell.exists()
    run(main())
    writer.close()


def test_a_cancelled_wait_leaves_no_listener_and_no_wish(run, path, bell):
    async def main():
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(writer.space(timeout_s=PATIENCE_S))
        await asyncio.sleep(0.001)
        assert memory.load(layout.WANTS_SPACE) == 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert memory.load(layout.WANTS_SPACE) == 0
        (descriptor,) = descriptors_of(bell)
        assert not loop.remove_reader(descriptor), "a listener was left"
        with Reader(path) as reader:
            reader.commit_one()
            await room(writer)

    writer = open_full(path)
    memory = RingMemory(path)
    run(main())
    writer.close()


def test_the_bell_is_closed_on_exec_and_with_its_ring(run, path, bell):
    writer = open_full(path)
    run(writer.space(timeout_s=0.01))
    child = subprocess.run(
        ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True, close_fds=False
    )
    assert str(bell) not in child.stdout
    assert len(descriptors_of(bell)) == 1
    writer.close()
    assert descriptors_of(bell) == []


def test_two_bells_of_one_ring_hear_each_other(run, path):
    async def main():
        assert not await one.rung(timeout_s=0.01)
        other.ring()
        other.ring()
        assert await one.rung(timeout_s=PATIENCE_S)
        assert not await one.rung(timeout_s=0.01), "many rings in a row are one"

    one, other = Doorbell(path), Doorbell(path)
    run(main())
    one.close()
    other.close()
