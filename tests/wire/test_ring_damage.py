"""Whatever happens to the file, no wrong payload comes out of it."""

from hashlib import shake_128

import pytest

from engine.wire import CorruptRecord, RingReader, RingWriter, WireError
from engine.wire.checksum import Checksum
from engine.wire.ring import layout

CAPACITY = 4096
RUN_ID = b"r" * 16
NUM_RECORDS = 16
FIRST = 6
TURNS = [0, *(pytest.param(turn, marks=pytest.mark.stress) for turn in range(1, 8))]
"""One bit of each byte by default, all eight under stress."""


def payload_of(seq):
    return shake_128(seq.to_bytes(8, "little")).digest(37 * seq % 301)


def open_writer(path, **options):
    return RingWriter.open(path, **{"capacity": CAPACITY, "run_id": RUN_ID, **options})


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    """Damage does not heal: thousands of readers need not give it a hundred yields each."""
    monkeypatch.setattr("engine.wire.ring.reader._REREADS", 2)


@pytest.fixture(scope="module", params=Checksum, ids=lambda kind: kind.name)
def image(tmp_path_factory, request):
    """A ring file whose records wrap around its end; the first ones are consumed."""
    path = tmp_path_factory.mktemp("ring") / "ring"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.wire.ring.memory.PREFERRED", request.param)
        writer, reader = open_writer(path), RingReader.open(path, wait_s=0)
    for seq in range(NUM_RECORDS + FIRST):
        if seq == NUM_RECORDS:
            for _ in range(FIRST):
                reader.pop(timeout_s=0)
            reader.commit(FIRST)
        assert writer.try_push(payload_of(seq)) == seq
    assert writer._tail > CAPACITY, "the image must wrap"
    reader.close()
    writer.close()
    return path.read_bytes()


def drained(reader):
    """Pop to the end or to the first damage, checking every payload on the way."""
    records = 0
    while (record := reader.pop(timeout_s=0)) is not None:
        assert record.payload == payload_of(record.seq), f"a wrong payload for {record.seq}"
        records += 1
    return records


def test_the_undamaged_image_is_read_to_the_end(image, tmp_path):
    path = tmp_path / "ring"
    path.write_bytes(image)
    assert drained(RingReader.open(path, wait_s=0)) == NUM_RECORDS


@pytest.mark.parametrize("turn", TURNS)
def test_a_flipped_bit_anywhere_never_gives_a_wrong_payload_to_a_reader(image, tmp_path, turn):
    refused = 0
    for offset in range(len(image)):
        path = tmp_path / "ring"
        damage(path, image, offset=offset, turn=turn)
        try:
            drained(RingReader.open(path, wait_s=0))
        except WireError:
            refused += 1
    assert refused > CAPACITY // 3, "most of the ring is payload, and payload is checked"


@pytest.mark.parametrize("turn", TURNS)
def test_a_flipped_bit_anywhere_never_makes_a_writer_misnumber(image, tmp_path, turn):
    """A writer refuses the damaged ring, or goes on where the last one stopped."""
    refused = 0
    for offset in range(len(image)):
        path = tmp_path / "ring"
        damage(path, image, offset=offset, turn=turn)
        try:
            writer = open_writer(path)
        except WireError:
            refused += 1
        else:
            assert writer.next_seq == NUM_RECORDS + FIRST, f"after a flip at {offset}"
    assert refused > CAPACITY // 3


def damage(path, image, *, offset, turn):
    flipped = bytearray(image)
    flipped[offset] ^= 1 << (offset + turn) % 8
    # In place: ext4 flushes a file that is truncated and written anew, thousands of times here.
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(flipped)


def test_a_corrupt_record_is_named_with_its_place(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    for _ in range(3):
        writer.try_push(b"x" * 100)
    at = layout.HEADER_BYTES + 2 * layout.record_size(100)
    with path.open("r+b") as file:
        file.seek(at + layout.RECORD_BYTES + 50)
        file.write(b"y")
    reader = RingReader.open(path, wait_s=0)
    assert [reader.pop(timeout_s=0).seq for _ in range(2)] == [0, 1]
    with pytest.raises(CorruptRecord, match=rf"record seq 2 at byte {at}") as caught:
        reader.pop(timeout_s=0)
    assert (caught.value.seq, caught.value.offset, caught.value.epoch) == (2, at, 1)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 6000, 8191])
def test_a_truncated_file_is_refused_by_both_ends(image, tmp_path, size):
    path = tmp_path / "ring"
    path.write_bytes(image[:size])
    with pytest.raises(WireError, match=r"delete it"):
        RingReader.open(path, wait_s=0)
    with pytest.raises(WireError, match=r"delete it"):
        open_writer(path)


@pytest.mark.parametrize(
    ("word", "message"),
    [(layout.MAGIC_WORD, "magic is wrong"), (layout.VERSION_WORD, "layout 7, this kelvin reads 2")],
)
def test_a_file_that_is_no_ring_of_this_layout_is_refused(image, tmp_path, word, message):
    path = tmp_path / "ring"
    path.write_bytes(image[: 8 * word] + (7).to_bytes(8, "little") + image[8 * word + 8 :])
    with pytest.raises(WireError, match=message):
        RingReader.open(path, wait_s=0)
    with pytest.raises(WireError, match=message):
        open_writer(path)


def test_a_ring_of_another_capacity_or_run_is_refused(image, tmp_path):
    path = tmp_path / "ring"
    path.write_bytes(image)
    with pytest.raises(WireError, match="capacity of 4096 bytes, 8192 were asked for"):
        open_writer(path, capacity=8192)
    with pytest.raises(WireError, match="one run directory a run"):
        open_writer(path, run_id=b"s" * 16)
    with pytest.raises(WireError, match="power of two"):
        open_writer(tmp_path / "new", capacity=5000)


def test_records_lost_in_a_power_failure_are_pushed_again(tmp_path, caplog):
    """After a reboot the tail may be on disk and its record not: the ring ends before it."""
    path = tmp_path / "ring"
    writer = open_writer(path)
    for seq in range(5):
        writer.try_push(payload_of(seq + 1))
    position = sum(layout.record_size(len(payload_of(seq + 1))) for seq in range(3))
    writer.close()
    with path.open("r+b") as file:
        file.seek(layout.HEADER_BYTES + position)
        file.write(b"\0" * 64)
    with pytest.raises(WireError, match="whole records up to seq 3, 5 were published"):
        open_writer(path)
    with path.open("r+b") as file:
        file.seek(8 * (layout.WRITER_CLAIM + 2))
        file.write(b"\1" * 8)
    writer = open_writer(path)
    assert "before the reboot" in caplog.text
    assert writer.next_seq == 3
    assert [writer.try_push(payload_of(seq + 1)) for seq in (3, 4)] == [3, 4]
    reader = RingReader.open(path, wait_s=0)
    assert [reader.pop(timeout_s=0).payload for _ in range(5)] == [
        payload_of(seq + 1) for seq in range(5)
    ]


def test_leftovers_of_a_truncated_tail_are_not_believed(tmp_path):
    """A record of before the truncation may fit exactly behind its replacement's neighbour."""
    path = tmp_path / "ring"
    writer = open_writer(path)
    for _ in range(3):
        writer.try_push(b"old" * 10)
    writer.close()
    with path.open("r+b") as file:  # record 1 is lost, record 2 is still whole
        file.seek(layout.HEADER_BYTES + layout.record_size(30))
        file.write(b"\0" * 8)
        file.seek(8 * (layout.WRITER_CLAIM + 2))
        file.write(b"\1" * 8)
    writer = open_writer(path)
    assert writer.try_push(b"new" * 10) == 1
    writer.close()
    assert open_writer(path).next_seq == 2


def test_a_lost_ring_is_founded_again_where_the_writer_can_begin(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path, first_seq=40)
    assert [writer.try_push(bytes([n])) for n in range(4)] == [40, 41, 42, 43]
    reader = RingReader.open(path, wait_s=0)
    reader.seek(42)  # the checkpoint had consumed 40 and 41
    assert reader.pop(timeout_s=0).seq == 42
    reader.commit(43)
    assert writer.committed_seq == 43
    writer.close()
    with pytest.raises(WireError, match="ends at seq 44, the writer begins at 50"):
        open_writer(path, first_seq=50)
