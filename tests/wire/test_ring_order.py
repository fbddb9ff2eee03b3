"""What the stores of a push are ordered by: fences where the machine reorders, checksums always."""

import subprocess
import sys
import textwrap

import pytest

from engine.wire import RingReader, RingWriter, WireError, checksum
from engine.wire.ring import layout
from engine.wire.ring import memory as mapped
from engine.wire.ring.memory import RingMemory

RUN_ID = b"r" * 16
CAPACITY = 1 << 16


class WatchedMemory(RingMemory):
    """Writes down, in order, what is stored, copied and fenced."""

    __slots__ = ("seen",)

    def __init__(self, path):
        self.seen = []
        super().__init__(path)
        self.fence = lambda: self.seen.append("fence")

    def store(self, word, value):
        self.seen.append({layout.TAIL: "tail", layout.NEXT_SEQ: "next_seq"}.get(word, "word"))
        super().store(word, value)

    def copy(self, offset, payload):
        self.seen.append("copy")
        super().copy(offset, payload)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ring"
    RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).close()
    return path


@pytest.mark.parametrize(
    ("payloads", "copies"),
    [([b"small"], 1), ([b"a", b"b", b"c"], 1), ([bytes(6_000)], 1)],
    ids=["one", "batch", "larger"],
)
def test_a_fence_stands_before_each_word_that_publishes(path, payloads, copies):
    memory = WatchedMemory(path)
    writer = RingWriter(memory)
    memory.seen.clear()
    writer.try_push_many(payloads)
    assert memory.seen == [*["copy"] * copies, "fence", "word", "next_seq", "fence", "tail"]


def test_a_large_payload_is_copied_once_and_fenced_alike(tmp_path):
    path = tmp_path / "large"
    RingWriter.open(path, capacity=1 << 20, run_id=RUN_ID).close()
    memory = WatchedMemory(path)
    writer = RingWriter(memory)
    memory.seen.clear()
    writer.try_push(bytes(1 << 16))
    assert memory.seen == ["copy", "copy", "fence", "word", "next_seq", "fence", "tail"]


def test_a_reader_fences_between_the_tail_and_the_records(path):
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    writer.try_push(b"one")
    memory = WatchedMemory(path)
    reader = RingReader(memory)
    memory.seen.clear()
    assert reader.pop(timeout_s=0).payload == b"one"
    assert memory.seen[0] == "fence"


def test_a_machine_that_keeps_order_has_no_fence_and_another_has_that_of_the_system(monkeypatch):
    assert (mapped._fence() is None) == mapped._KEEPS_ORDER
    monkeypatch.setattr(mapped, "_KEEPS_ORDER", False)
    fence = mapped._fence()
    if fence is None:
        pytest.skip("this system has no libatomic.so.1: there the checksum stands alone")
    fence()


def test_a_ring_founded_without_xxhash_is_checked_by_crc_and_read_by_everyone(
    tmp_path, monkeypatch
):
    path = tmp_path / "ring"
    monkeypatch.setattr(mapped, "PREFERRED", checksum.Checksum.CRC32)
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    monkeypatch.undo()
    writer.try_push(b"checked")
    assert RingMemory(path).load(layout.CHECKSUM) == checksum.Checksum.CRC32
    assert RingReader.open(path, wait_s=0).pop(timeout_s=0).payload == b"checked"


def test_a_process_without_xxhash_says_what_it_needs(path, monkeypatch):
    monkeypatch.setattr(checksum, "xxhash", None)
    with pytest.raises(WireError, match=r"is checked by XXH3; install xxhash"):
        RingReader.open(path, wait_s=0)


def test_an_unknown_checksum_is_damage(path):
    RingMemory(path).store(layout.CHECKSUM, 77)
    with pytest.raises(WireError, match="checksum 77; the file is damaged"):
        RingReader.open(path, wait_s=0)


def test_the_wire_works_where_xxhash_is_not_installed(tmp_path):
    source = """
        import sys
        sys.modules["xxhash"] = None
        from pathlib import Path
        from engine.wire import RingReader, RingWriter, tensor_checksum
        path = Path(sys.argv[1])
        writer = RingWriter.open(path, capacity=1 << 16, run_id=b"r" * 16)
        writer.try_push_many([b"one", b"two"])
        reader = RingReader.open(path, wait_s=0)
        print([bytes(record.payload).decode() for record in reader.pop_many(9, timeout_s=0)])
        print(tensor_checksum(b"tensor"))
    """
    command = [sys.executable, "-c", textwrap.dedent(source), str(tmp_path / "ring")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    popped, digest = done.stdout.split("\n")[:2]
    assert popped == "['one', 'two']"
    assert digest.startswith("b2-")
