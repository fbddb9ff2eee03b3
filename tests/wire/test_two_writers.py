"""Two writers on purpose: the second believes the first dead, takes over, and the first must stop.

Both are processes. The first lives and is idle while it is replaced, as one that was suspended is.
"""

import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from engine.wire import RingReader, RingState, RingWriter
from engine.wire.ring import layout
from engine.wire.ring.memory import RingMemory

WRITER = """
    import sys
    from pathlib import Path
    from engine.wire import RingWriter, WireError
    name = sys.argv[2]
    writer = RingWriter.open(Path(sys.argv[1]), capacity=1 << 16, run_id=b"t" * 16)
    print("open", writer.next_seq, flush=True)
    for line in sys.stdin:
        try:
            if line == "close\\n":
                writer.close()
                break
            payloads = [f"{name} {writer.next_seq + i}".encode() for i in range(int(line))]
            if int(line) == 1:
                pushed = int(writer.try_push(payloads[0]) is not None)
            else:
                pushed = writer.try_push_many(payloads)
        except WireError as error:
            sys.exit(f"stopped: {error}")
        print("pushed", pushed, flush=True)
"""
UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


class Writer:
    """A process that pushes so many records at each word."""

    def __init__(self, path, name, *, prefix=()):
        command = [*prefix, sys.executable, "-c", textwrap.dedent(WRITER), str(path), name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        word, _, seq = self.process.stdout.readline().partition(" ")
        assert word == "open", self.process.communicate()
        self.first_seq = int(seq)

    def push(self, number):
        self.process.stdin.write(f"{number}\n")
        assert self.process.stdout.readline() == f"pushed {number}\n"

    def is_refused(self, number):
        """What it says and how it ends when it may not push."""
        said, why = self.process.communicate(f"{number}\n")
        assert "pushed" not in said
        return self.process.returncode, why

    def close(self):
        self.process.communicate("close\n")
        assert self.process.returncode == 0


@pytest.fixture
def start():
    started = []

    def start(path, name, **options):
        started.append(Writer(path, name, **options))
        return started[-1]

    yield start
    for writer in started:
        writer.process.kill()
        writer.process.communicate()


@pytest.fixture(params=["namespace", "stale claim"])
def take_over(request, start):
    """Start a second writer that takes the first for dead."""

    def in_namespace(path):
        return start(path, "new", prefix=UNSHARE)

    def over_stale_claim(path):
        with path.open("r+b") as file:
            file.seek(8 * (layout.WRITER_CLAIM + 1))
            file.write((12345).to_bytes(8, "little"))  # as of a pid that was used again
        return start(path, "new")

    if request.param == "stale claim":
        return over_stale_claim
    if not shutil.which(UNSHARE[0]) or subprocess.run([*UNSHARE, "true"], check=False).returncode:
        pytest.skip("a pid namespace needs root, or user namespaces, and `unshare`")
    return in_namespace


def drain(reader):
    records = []
    while (record := reader.pop(timeout_s=0)) is not None:
        records.append(record)
    return records


@pytest.mark.parametrize("number", [1, 40], ids=["one", "batch"])
@pytest.mark.parametrize("is_stopped", [False, True], ids=["idle", "suspended"])
def test_the_first_writer_stops_and_nothing_acknowledged_is_lost(
    tmp_path, start, take_over, number, is_stopped
):
    path = tmp_path / "ring"
    first = start(path, "old")
    first.push(30)
    reader = RingReader.open(path, wait_s=0)
    assert len(reader.pop_many(20, timeout_s=0)) == 20
    reader.commit(10)
    if is_stopped:
        first.process.send_signal(signal.SIGSTOP)
    second = take_over(path)
    assert second.first_seq == 30
    second.push(50)
    if is_stopped:
        first.process.send_signal(signal.SIGCONT)
    code, why = first.is_refused(number)
    assert code == 1
    assert "taken over by another writer (this one was epoch 1, it is at 2)" in why
    second.push(20)
    second.close()
    reader.seek(20)
    records = drain(reader)
    assert [record.seq for record in records] == list(range(20, 100))
    assert [record.epoch for record in records] == [1] * 10 + [2] * 70
    names = ["old"] * 10 + ["new"] * 70
    assert [record.payload.decode() for record in records] == [
        f"{name} {record.seq}" for name, record in zip(names, records, strict=True)
    ]
    assert reader.state is RingState.CLOSED


def test_the_first_writer_is_refused_even_if_the_second_was_killed_at_once(
    tmp_path, start, take_over
):
    path = tmp_path / "ring"
    first = start(path, "old")
    first.push(3)
    second = take_over(path)
    second.process.kill()
    second.process.wait()
    assert first.is_refused(1)[0] == 1
    third = start(path, "third")
    assert third.first_seq == 3
    third.push(2)
    reader = RingReader.open(path, wait_s=0)
    assert [record.epoch for record in drain(reader)] == [1, 1, 1, 3, 3]
    third.close()


def test_closing_the_fenced_writer_takes_nothing_from_the_second(tmp_path, start, take_over):
    path = tmp_path / "ring"
    first = start(path, "old")
    second = take_over(path)
    memory = RingMemory(path)
    holder = memory.load(layout.WRITER_CLAIM)
    first.close()
    assert memory.load(layout.WRITER_CLAIM) == holder, "the second's claim was given up"
    assert memory.load(layout.STATE) == RingState.OPEN, "the second's ring was closed"
    second.push(1)
    second.close()
    assert memory.load(layout.STATE) == RingState.CLOSED


EAGER = """
    import sys
    from pathlib import Path
    from engine.wire import RingWriter, WireError
    writer = RingWriter.open(Path(sys.argv[1]), capacity=1 << 20, run_id=b"t" * 16)
    acknowledged = 0
    print("open", flush=True)
    try:
        while True:
            seq = writer.try_push(f"old {acknowledged}".encode())
            acknowledged = acknowledged if seq is None else seq + 1
    except WireError:
        print(acknowledged, flush=True)
"""


def test_a_writer_that_is_replaced_while_it_pushes_adds_nothing_after_the_takeover(tmp_path):
    """At full speed: it finds its token gone, and has a moment to before the records are walked."""
    for number in range(8):
        path = tmp_path / f"ring-{number}"
        command = [sys.executable, "-c", textwrap.dedent(EAGER), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as old:
            assert old.stdout.readline() == "open\n"
            with path.open("r+b") as file:
                file.seek(8 * (layout.WRITER_CLAIM + 1))
                file.write((12345).to_bytes(8, "little"))
            new = RingWriter.open(path, capacity=1 << 20, run_id=b"t" * 16)
            first = new.next_seq
            pushed = [f"new {n}".encode() for n in range(200)]
            pushed = pushed[: new.try_push_many(pushed)]
            acknowledged = int(old.stdout.readline())
        new.close(RingState.CLOSED)
        reader = RingReader.open(path, wait_s=0)
        got = [record.payload for record in reader.pop_many(1 << 30, timeout_s=0)]
        assert acknowledged <= first
        assert got[:first] == [f"old {n}".encode() for n in range(first)]
        assert got[first:] == pushed
