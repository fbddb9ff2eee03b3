"""A writer or reader that dies between any two stores loses nothing, doubles nothing."""

import contextlib
import shutil
import tempfile
from hashlib import shake_128
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.wire.ring import RingReader, RingWriter, layout
from engine.wire.ring.memory import RingMemory
from engine.wire.ring.recovery import recover

CAPACITY = 4096
RUN_ID = b"r" * 16
LARGEST = layout.max_payload(CAPACITY)
SHM = Path("/dev/shm")


class KilledError(Exception):
    """The process is gone; what it had stored is all there is."""


class FragileMemory(RingMemory):
    """Dies instead of making a store after `fuse` more; a copy is as many stores as it has words.

    Which word of a copy is stored first is the machine's business: `is_backwards` tries the other.
    """

    __slots__ = ("fuse", "is_backwards")

    def __init__(self, path, *, is_backwards=False):
        self.fuse = None
        self.is_backwards = is_backwards
        super().__init__(path)

    def store(self, word, value):
        self._burn()
        super().store(word, value)

    def copy(self, offset, payload):
        starts = range(0, len(payload), 8)
        if self.fuse is None or self.fuse >= len(starts):
            self.fuse = None if self.fuse is None else self.fuse - len(starts)
            super().copy(offset, payload)
            return
        for start in reversed(starts) if self.is_backwards else starts:
            self._burn()
            super().copy(offset + start, payload[start : start + 8])

    def _burn(self):
        if self.fuse is not None:
            if self.fuse == 0:
                raise KilledError
            self.fuse -= 1


def open_writer(path, **options):
    RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).close()
    memory = FragileMemory(path, **options)
    return RingWriter(memory), memory


def open_reader(path):
    memory = FragileMemory(path)
    return RingReader(memory), memory


def bury(path, claim):
    """Make the holder of an end dead: its pid now belongs to a process that started later."""
    with path.open("r+b") as file:
        file.seek(8 * (claim + 1))
        file.write((1).to_bytes(8, "little"))


def payload_of(seq, size):
    return shake_128(seq.to_bytes(8, "little")).digest(size)


def drain(reader):
    records = []
    while (record := reader.pop(timeout_s=0)) is not None:
        records.append(record)
    return records


@pytest.mark.parametrize("is_backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("filled", [0, 3500], ids=["plain", "wrapping"])
@pytest.mark.parametrize("sizes", [[0], [1], [200], [LARGEST], [40, 0, 130]], ids=str)
def test_a_push_cut_after_any_store_leaves_all_or_nothing(tmp_path, filled, sizes, is_backwards):
    """Visible from the commit word on, never before; and what comes next is in its place."""
    landed, num_stores = [], 0
    while True:
        path = tmp_path / f"ring-{num_stores}"
        writer, memory = open_writer(path, is_backwards=is_backwards)
        reader, _ = open_reader(path)
        pushed = 0
        while writer._tail < filled:
            assert writer.try_push(payload_of(pushed, 90)) == pushed
            pushed += 1
        drain(reader)
        reader.commit(pushed)
        batch = [payload_of(pushed + i, size) for i, size in enumerate(sizes)]
        memory.fuse = num_stores
        try:
            assert writer.try_push_many(batch) == len(batch)
        except KilledError:
            pass
        else:
            break
        bury(path, layout.WRITER_CLAIM)
        successor = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
        landed.append(successor.next_seq - pushed)
        again = payload_of(pushed + landed[-1], 77)
        assert successor.try_push(again) == pushed + landed[-1]
        expected = [*batch[: landed[-1]], again]
        assert [record.payload for record in drain(reader)] == expected
        num_stores += 1
    assert landed == sorted(landed)
    assert landed[-2:] == [len(sizes)] * 2, "next_seq and tail come after the commit word"
    assert set(landed) <= {0, 1, len(sizes)}
    assert len(landed) > 5 + sum(sizes) // 8, "every word of every copy must have been a cut"


def test_a_takeover_cut_after_any_store_can_be_taken_over_in_turn(tmp_path):
    template = tmp_path / "template"
    writer, memory = open_writer(template)
    for seq in range(5):
        writer.try_push(payload_of(seq, 100))
    memory.fuse = 18  # the commit word of record 5 is stored, the tail is not
    with pytest.raises(KilledError):
        writer.try_push(payload_of(5, 100))
    bury(template, layout.WRITER_CLAIM)
    for num_stores in range(100):
        path = tmp_path / f"ring-{num_stores}"
        shutil.copy(template, path)
        memory = FragileMemory(path)
        memory.fuse = num_stores
        try:
            RingWriter(memory)
        except KilledError:
            bury(path, layout.WRITER_CLAIM)
        else:
            break
        assert RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).next_seq == 6
        reader, _ = open_reader(path)
        assert [r.payload for r in drain(reader)] == [payload_of(seq, 100) for seq in range(6)]
    assert num_stores > 5


def test_a_takeover_after_a_reboot_cut_after_any_store_can_be_taken_over_in_turn(tmp_path):
    """The tail reached the disk and record 3 did not: who comes first, or second, ends there."""
    template = tmp_path / "template"
    writer, memory = open_writer(template)
    for seq in range(5):
        start = writer._tail
        writer.try_push(payload_of(seq, 100))
        if seq == 3:
            memory.copy(layout.HEADER_BYTES + start, bytes(8))
    memory.store(layout.WRITER_CLAIM + 2, 12345)  # another boot
    for num_stores in range(100):
        path = tmp_path / f"ring-{num_stores}"
        shutil.copy(template, path)
        memory = FragileMemory(path)
        memory.fuse = num_stores
        with contextlib.suppress(KilledError):
            assert RingWriter(memory).next_seq == 3
            break
        with path.open("r+b") as file:
            file.seek(8 * layout.WRITER_CLAIM)
            file.write(bytes(8))  # the pid: gone, in whichever boot
        successor = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
        assert successor.try_push(b"again") == 3
        reader, _ = open_reader(path)
        expected = [*(payload_of(seq, 100) for seq in range(3)), b"again"]
        assert [record.payload for record in drain(reader)] == expected
    assert num_stores > 5


def test_a_commit_cut_after_any_store_is_whole_or_was_not_made(tmp_path):
    path = tmp_path / "ring"
    writer, _ = open_writer(path)
    for seq in range(6):
        writer.try_push(payload_of(seq, 100))
    cursors = []
    for num_stores in range(3):
        reader, memory = open_reader(path)
        drain(reader)
        memory.fuse = num_stores
        with pytest.raises(KilledError):
            reader.commit(4)
        bury(path, layout.READER_CLAIM)
        cursors.append(writer.committed_seq)
        reader, _ = open_reader(path)
        assert [record.seq for record in drain(reader)] == [0, 1, 2, 3, 4, 5]
        bury(path, layout.READER_CLAIM)
    assert cursors == [0, 0, 0]
    reader, memory = open_reader(path)
    drain(reader)
    memory.fuse = 3
    reader.commit(4)
    assert writer.committed_seq == 4


def test_recovering_twice_is_recovering_once(tmp_path):
    path = tmp_path / "ring"
    writer, memory = open_writer(path)
    for seq in range(20):
        writer.try_push(payload_of(seq, seq))
    memory.fuse = 43
    with pytest.raises(KilledError):
        writer.try_push(payload_of(20, 300))
    bury(path, layout.WRITER_CLAIM)
    first = recover(RingMemory(path))
    successor = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    assert recover(RingMemory(path)) == first
    assert (successor._tail, successor.next_seq) == first == (first.position, 21)
    successor.close()
    assert RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID).next_seq == 21


class RingModel(RuleBasedStateMachine):
    """The ring is a bounded FIFO with a memory, whoever dies wherever."""

    @initialize()
    def found(self):
        self.directory = tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None)
        self.path = Path(self.directory.name) / "ring"
        self.writer, self.writer_memory = open_writer(self.path)
        self.reader, self.reader_memory = open_reader(self.path)
        self.records = []  # every payload that was ever published, by seq
        self.read = self.committed = 0

    def teardown(self):
        if hasattr(self, "directory"):
            self.directory.cleanup()

    @rule(size=st.integers(0, LARGEST) | st.sampled_from([0, 1, 32, 33, LARGEST]))
    def push(self, size):
        payload = payload_of(len(self.records), size)
        free_bytes = self.writer.free_bytes
        seq = self.writer.try_push(payload)
        if seq is None:
            assert free_bytes < 2 * layout.record_size(size), "refused although there was room"
        else:
            assert seq == len(self.records)
            self.records.append(payload)

    @rule(sizes=st.lists(st.integers(0, 60) | st.integers(0, LARGEST), max_size=9))
    def push_many(self, sizes):
        batch = [payload_of(len(self.records) + i, size) for i, size in enumerate(sizes)]
        free_bytes = self.writer.free_bytes
        pushed = self.writer.try_push_many(batch)
        self.records += batch[:pushed]
        if pushed < len(batch):
            needed = sum(layout.record_size(size) for size in sizes[: pushed + 1])
            padding = layout.record_size(max(sizes[: pushed + 1]))  # at most, before one of them
            assert free_bytes < needed + padding, "refused despite room"

    @rule(
        sizes=st.lists(st.integers(0, LARGEST), min_size=1, max_size=4),
        num_stores=st.integers(0, 90),
    )
    def push_and_die(self, sizes, num_stores):
        batch = [payload_of(len(self.records) + i, size) for i, size in enumerate(sizes)]
        self.writer_memory.fuse = num_stores
        known = self.records
        with contextlib.suppress(KilledError):
            self.records = known + batch[: self.writer.try_push_many(batch)]
        bury(self.path, layout.WRITER_CLAIM)
        self.writer_memory = FragileMemory(self.path, is_backwards=num_stores % 2 == 1)
        self.writer = RingWriter(self.writer_memory)
        landed = self.writer.next_seq - len(known)
        assert len(self.records) - len(known) <= landed <= len(batch)
        self.records = known + batch[:landed]

    @rule()
    def restart_writer(self):
        self.writer.close()
        self.writer, self.writer_memory = open_writer(self.path)

    @rule(most=st.integers(1, 12))
    def pop(self, most):
        records = self.reader.pop_many(most, timeout_s=0)
        assert len(records) == min(most, len(self.records) - self.read)
        for record in records:
            assert (record.seq, record.payload) == (self.read, self.records[self.read])
            self.read += 1

    @rule(data=st.data())
    def commit(self, data):
        self.committed = data.draw(st.integers(self.committed, self.read))
        self.reader.commit(self.committed)

    @rule(data=st.data(), num_stores=st.integers(0, 3))
    def commit_and_die(self, data, num_stores):
        target = data.draw(st.integers(self.committed, self.read))
        self.reader_memory.fuse = num_stores
        try:
            self.reader.commit(target)
        except KilledError:
            pass
        else:
            self.committed = target
        bury(self.path, layout.READER_CLAIM)
        self.reader, self.reader_memory = open_reader(self.path)
        self.read = self.committed

    @rule(data=st.data())
    @precondition(lambda self: self.committed < len(self.records))
    def seek(self, data):
        self.read = data.draw(st.integers(self.committed, len(self.records)))
        self.reader.seek(self.read)

    @invariant()
    def cursors_agree(self):
        if not hasattr(self, "writer"):
            return
        assert self.writer.next_seq == len(self.records)
        assert self.writer.committed_seq == self.reader.committed_seq == self.committed
        assert self.reader.next_seq == self.read
        assert self.writer.depth == len(self.records) - self.committed
        assert self.reader.depth == len(self.records) - self.read
        assert 0 <= self.writer.free_bytes <= CAPACITY


TestRingModel = RingModel.TestCase
TestRingModel.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@pytest.mark.fuzz
class TestRingModelAtLength(RingModel.TestCase):
    settings = settings(max_examples=3000, stateful_step_count=150, deadline=None)
