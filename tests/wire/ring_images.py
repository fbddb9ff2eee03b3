"""Ring files with a past: two writers, consumed records, a lap that ended with padding."""

from dataclasses import dataclass
from hashlib import shake_128

from engine.wire import RingReader, RingWriter
from engine.wire.ring import layout

CAPACITY = 4096
RUN_ID = b"r" * 16
NUM_BEFORE = 28
"""Records of the first writer."""
NUM_CONSUMED = 23
NUM_RECORDS = 36


def payload_of(seq):
    return shake_128(seq.to_bytes(8, "little")).digest(100 + 61 * seq % 301)


@dataclass(frozen=True)
class Entry:
    """Where a live entry is in the file, and which bytes of it mean something."""

    seq: int
    epoch: int
    offset: int
    size: int
    used: int


@dataclass(frozen=True)
class Image:
    """The bytes of a ring that both ends have left, and what lies in it."""

    data: bytes
    records: tuple[Entry, ...]
    padding: Entry

    def word(self, word):
        return int.from_bytes(self.data[8 * word : 8 * word + 8], "little")

    def record(self, seq):
        (found,) = (entry for entry in self.records if entry.seq == seq)
        return found


def make_image(path):
    """A ring in its third lap: padding lies among its live records, on top of older records."""
    places = {}
    writer = open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    for seq in range(NUM_RECORDS):
        if seq == NUM_BEFORE:
            writer.close()
            writer = open_writer(path)
        while writer.try_push(payload_of(seq)) is None:
            reader.commit(reader.pop(timeout_s=0).seq + 1)
        size = layout.record_size(len(payload_of(seq)))
        places[seq] = (writer._tail - size, size, 1 if seq < NUM_BEFORE else 2)
    assert reader.committed_seq == NUM_CONSUMED, reader.committed_seq
    for _ in range(2):
        reader.pop(timeout_s=0)
    reader.close()
    writer.close()
    records = tuple(
        Entry(seq, epoch, offset_of(at), size, layout.RECORD_BYTES + len(payload_of(seq)))
        for seq, (at, size, epoch) in places.items()
        if seq >= NUM_CONSUMED
    )
    return Image(path.read_bytes(), records, _padding(places))


def _padding(places):
    for seq in range(NUM_CONSUMED, NUM_RECORDS):
        at, size, _ = places[seq - 1]
        after, _, epoch = places[seq]
        if at + size < after:
            return Entry(seq, epoch, offset_of(at + size), after - at - size, layout.RECORD_BYTES)
    raise AssertionError("the image has no padding among its live records")


def open_writer(path):
    return RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)


def offset_of(position):
    return layout.HEADER_BYTES + position % CAPACITY
