"""fsck finds what is planted, names it, goes on behind it, and is silent about a sound ring."""

import signal
import subprocess
import sys
import textwrap
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import RingReader, RingWriter, WireError
from engine.wire.ring import layout
from engine.wire.ring.fsck import check_ring, ring_notes
from engine.wire.ring.view import RingView
from tests.wire.ring_images import (
    CAPACITY,
    NUM_CONSUMED,
    NUM_RECORDS,
    RUN_ID,
    make_image,
    open_writer,
    payload_of,
)

EPOCH = 2
LAST = NUM_RECORDS - 1


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return make_image(tmp_path_factory.mktemp("image") / "ring.bin")


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A path to write a damaged ring to, again and again."""
    return tmp_path_factory.mktemp("damaged") / "ring.bin"


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    """Damage does not heal."""
    monkeypatch.setattr("engine.wire.ring.walk._REREADS", 1)


def places(found):
    return [(finding.offset, finding.seq, finding.epoch) for finding in found]


def place_of(entry):
    return (entry.offset, entry.seq, entry.epoch)


def poked(data, offset, value):
    raw = value.to_bytes(8, "little") if isinstance(value, int) else value
    return data[:offset] + raw + data[offset + len(raw) :]


def flipped(data, offset, bit=0):
    return poked(data, offset, bytes([data[offset] ^ 1 << bit]))


def check(ring, data):
    ring.write_bytes(data)
    return list(check_ring(ring, run_id=RUN_ID))


# -- one corruption each: name: (how to plant it, where it is, words of the finding)

FIRST, INNER, BEHIND_PADDING = NUM_CONSUMED, 30, 28


def in_record(seq, offset, value, words):
    """Bytes at an offset of a record are replaced."""
    return (
        lambda image: poked(image.data, image.record(seq).offset + offset, value),
        lambda image: place_of(image.record(seq)),
        words,
    )


def in_padding(offset, value, words):
    return (
        lambda image: poked(image.data, image.padding.offset + offset, value),
        lambda image: place_of(image.padding),
        words,
    )


def in_word(word, change, words, *, seq=NUM_RECORDS, epoch=EPOCH):
    """A control word becomes `change(what it was)`."""
    return (
        lambda image: poked(image.data, 8 * word, change(image.word(word))),
        lambda _: (8 * word, seq, epoch),
        words,
    )


def in_cursor(part, change, words, *, seq=FIRST):
    def at(image):
        return 8 * (layout.CURSORS[image.word(layout.CURSOR_GENERATION) & 1])

    def plant(image):
        offset = at(image) + 8 * part
        return poked(image.data, offset, change(image.word(offset // 8)))

    return plant, lambda image: (at(image), seq, EPOCH), words


def size_of(seq):
    return layout.record_size(len(payload_of(seq)))


PLANTED = {
    "a byte of a payload": in_record(INNER, 60, b"\0\0", "checksum does not fit"),
    "a byte of the first payload": in_record(FIRST, 33, b"\0\0", "checksum does not fit"),
    "a byte of the last payload": in_record(LAST, 99, b"\0\0", "checksum does not fit"),
    "a payload behind padding": in_record(BEHIND_PADDING, 40, b"\0\0", "checksum does not fit"),
    "commit word: not written": in_record(INNER, 0, 0, "commit word reads 0x0 instead of"),
    "commit word: longer": in_record(INNER, 0, 300, "commit word reads 0x12c instead of"),
    "commit word: shorter": in_record(INNER, 0, 2, "commit word reads 0x2 instead of"),
    "commit word: padding": in_record(INNER, 0, 1 << 63 | 64, "commit word reads 0x80"),
    "commit word: huge": in_record(INNER, 0, (1 << 62) - 1, "commit word reads 0x3f"),
    "commit word of the first": in_record(FIRST, 0, 0, "commit word reads 0x0 instead of"),
    "commit word of the last": in_record(LAST, 0, 0, "commit word reads 0x0 instead of"),
    "commit word behind padding": in_record(BEHIND_PADDING, 0, 5, "commit word reads 0x5"),
    "number of a record": in_record(INNER, 8, 7, "its number reads 7"),
    "number of the next one": in_record(INNER, 8, INNER + 1, "its number reads 31"),
    "number of the last": in_record(LAST, 8, LAST + 1, f"its number reads {LAST + 1}"),
    "checksum of a record": in_record(INNER, 16, 1, "checksum does not fit"),
    "schema of a record": in_record(INNER, 24, b"\xff\xff", "checksum does not fit"),
    "epoch of a record": in_record(INNER, 28, b"\1", "its epoch reads 1 instead of 2"),
    "epoch of an old record": in_record(25, 28, b"\2", "its epoch reads 2 instead of 1"),
    "epoch of the first record": in_record(FIRST, 28, b"\2", "its epoch reads 2 instead of 1"),
    "zeros for a record": in_record(INNER, 0, bytes(size_of(INNER)), "there are zeros"),
    "zeros for the first": in_record(FIRST, 0, bytes(size_of(FIRST)), "there are zeros"),
    "zeros for the last": in_record(LAST, 0, bytes(size_of(LAST)), "there are zeros"),
    "padding: length": in_padding(0, 1 << 63 | 96, "commit word reads"),
    "padding: a record": in_padding(0, 40, "commit word reads"),
    "padding: number": in_padding(8, 3, "its number reads 3"),
    "padding: checksum": in_padding(16, 3, "checksum does not fit"),
    "padding: epoch": in_padding(28, b"\1", "its epoch reads 1 instead of 2"),
    "padding: zeros": in_padding(0, bytes(160), "there are zeros"),
    "cursor: ahead": in_cursor(0, lambda p: p + 32, "committed cursor"),
    "cursor: ahead by a record": in_cursor(0, lambda p: p + size_of(FIRST), "cursor"),
    "cursor: behind": in_cursor(0, lambda p: p - 32, "committed cursor"),
    "cursor: unaligned": in_cursor(0, lambda p: p + 3, "committed cursor"),
    "cursor: zero": in_cursor(0, lambda _: 0, "committed cursor"),
    "cursor: beyond the tail": in_cursor(0, lambda p: p + 2 * CAPACITY, "cursor"),
    "cursor: far beyond": in_cursor(0, lambda p: p | 1 << 63, "cursor"),
    "cursor: number too high": in_cursor(1, lambda s: s + 1, "committed cursor"),
    "cursor: number too low": in_cursor(1, lambda s: s - 1, "committed cursor"),
    "cursor: number absurd": in_cursor(1, lambda s: s | 1 << 60, "committed cursor"),
    "tail: ahead": in_word(layout.TAIL, lambda t: t + 64, "the tail"),
    "tail: far ahead": in_word(layout.TAIL, lambda t: t + CAPACITY, "the tail"),
    "tail: behind by a record": in_word(layout.TAIL, lambda t: t - size_of(LAST), "the tail"),
    "tail: inside a record": in_word(layout.TAIL, lambda t: t - 32, "inside of one"),
    "tail: unaligned": in_word(layout.TAIL, lambda t: t - 1, "inside of one"),
    "tail: before the cursor": in_word(layout.TAIL, lambda _: 32, "the tail"),
    "tail: zero": in_word(layout.TAIL, lambda _: 0, "the tail"),
    "tail: absurd": in_word(layout.TAIL, lambda t: t | 1 << 62, "the tail"),
    "next_seq: ahead": in_word(layout.NEXT_SEQ, lambda s: s + 1, "the next record"),
    "next_seq: behind": in_word(layout.NEXT_SEQ, lambda s: s - 1, "the next record"),
    "next_seq: zero": in_word(layout.NEXT_SEQ, lambda _: 0, "the next record"),
    "next_seq: absurd": in_word(layout.NEXT_SEQ, lambda s: s | 1 << 61, "the next record"),
    "read_seq: ahead": in_word(layout.READ_SEQ, lambda _: NUM_RECORDS + 1, "next record to pop"),
    "read_seq: behind": in_word(layout.READ_SEQ, lambda _: FIRST - 1, "next record to pop"),
    "epoch: lower": in_word(layout.EPOCH, lambda e: e - 1, "of epoch 2", seq=28, epoch=1),
    "epoch: zero": in_word(layout.EPOCH, lambda _: 0, "of epoch 1", seq=FIRST, epoch=0),
    "epoch: higher": in_word(layout.EPOCH, lambda e: e + 1, "of epoch 2", seq=28, epoch=3),
    "epoch's first: lower": in_word(layout.EPOCH_SEQ, lambda s: s - 1, "of epoch 1", seq=27),
    "epoch's first: absurd": in_word(layout.EPOCH_SEQ, lambda s: s | 1 << 50, "began with"),
    "state": in_word(layout.STATE, lambda _: 3, "the state must be one of 0"),
    "magic": in_word(layout.MAGIC_WORD, lambda m: m ^ 1, "magic of a ring"),
    "layout": in_word(layout.VERSION_WORD, lambda _: 9, "layout must be 2, is 9"),
    "capacity": in_word(layout.CAPACITY, lambda c: c + 1, "capacity reads 4097"),
    "capacity: twice": in_word(layout.CAPACITY, lambda c: 2 * c, "capacity reads 8192"),
    "kind of checksum": in_word(layout.CHECKSUM, lambda _: 77, "kind of checksum"),
    "run": in_word(layout.RUN_ID, lambda _: 5, "belongs to run 05000000"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_corruption_is_the_one_finding_and_is_named(image, ring, name):
    plant, place, words = PLANTED[name]
    data = plant(image)
    assert data != image.data, "nothing was planted"
    found = check(ring, data)
    assert places(found) == [place(image)], [str(each) for each in found]
    assert words in found[0].what
    assert str(ring) in str(found[0])


def test_a_flipped_byte_of_the_records_is_found_or_belongs_to_no_record(image, ring):
    users = {
        offset: entry
        for entry in (*image.records, image.padding)
        for offset in range(entry.offset, entry.offset + entry.used)
    }

    @given(offset=st.integers(layout.HEADER_BYTES, len(image.data) - 1), bit=st.integers(0, 7))
    def flip(offset, bit):
        found = check(ring, flipped(image.data, offset, bit))
        user = users.get(offset)
        assert places(found) == ([] if user is None else [place_of(user)])

    flip()


@pytest.mark.stress
def test_a_flipped_byte_anywhere_among_the_records_is_found(image, ring):
    used = {n for e in (*image.records, image.padding) for n in range(e.offset, e.offset + e.used)}
    for offset in range(layout.HEADER_BYTES, len(image.data)):
        for bit in range(8):
            assert bool(check(ring, flipped(image.data, offset, bit))) == (offset in used)


PAIRS = list(combinations(range(NUM_CONSUMED, NUM_RECORDS), 2))
HURTS = {"payload": 40, "commit": 0, "number": 8, "checksum": 16, "epoch": 28}


@pytest.mark.parametrize("hurt", HURTS)
def test_two_damaged_records_are_both_named_and_all_others_are_read(image, ring, hurt):
    for pair in PAIRS:
        entries = [image.record(seq) for seq in pair]
        data = image.data
        for entry in entries:
            data = flipped(data, entry.offset + HURTS[hurt], bit=5)
        found = check(ring, data)
        assert places(found) == [place_of(entry) for entry in entries], [str(f) for f in found]
        with RingView.open(ring) as view:
            read = [each.seq for each in view.walk() if hasattr(each, "payload")]
        assert read == [e.seq for e in image.records if e.seq not in pair]


def test_padding_and_a_record_beside_it_are_both_named(image, ring):
    for seq in (BEHIND_PADDING - 1, BEHIND_PADDING):
        entry = image.record(seq)
        data = flipped(flipped(image.data, image.padding.offset + 16), entry.offset + 40)
        expected = sorted([place_of(image.padding), place_of(entry)], key=lambda p: p[1])
        assert sorted(places(check(ring, data)), key=lambda p: p[1]) == expected


def test_damage_of_the_header_and_of_records_is_found_at_once(image, ring):
    data = image.data
    for name in ("state", "magic", "tail: ahead", "read_seq: ahead", "capacity"):
        plant, place, _ = PLANTED[name]
        offset = place(image)[0]
        data = poked(data, offset, plant(image)[offset : offset + 8])
    data = flipped(flipped(data, image.record(25).offset + 50), image.record(33).offset)
    assert len(check(ring, data)) == 7


def test_a_hole_of_zeros_over_several_records_names_the_first_and_counts_the_rest(image, ring):
    first, last = image.record(29), image.record(31)
    hole = bytes(last.offset + last.size - first.offset)
    found = check(ring, poked(image.data, first.offset, hole))
    assert places(found)[0] == place_of(first)
    assert [finding.seq for finding in found] == [29, 30]
    assert f"records 30 to 31 must follow before byte {image.record(32).offset}" in found[1].what


def test_a_hole_up_to_the_tail_is_found_to_its_end(image, ring):
    first = image.record(33)
    hole = bytes(image.record(LAST).offset + size_of(LAST) - first.offset)
    found = check(ring, poked(image.data, first.offset, hole))
    assert [finding.seq for finding in found] == [33, 34]
    assert f"records 34 to {LAST}" in found[1].what


@pytest.mark.parametrize("size", [0, 1, 100, 4095])
def test_a_file_without_a_whole_header_is_found_to_be_cut(image, ring, size):
    (found,) = check(ring, image.data[:size])
    assert found.offset == size
    assert "cut" in found.what
    with pytest.raises(WireError, match=f"is a file of {size} bytes; delete it"):
        RingView.open(ring)


def test_a_file_cut_among_its_records_is_found_with_every_record_that_was_lost(image, ring):
    by_offset = sorted(image.records, key=lambda entry: entry.offset)
    for entry in by_offset:
        cut = entry.offset + entry.used - 1
        found = check(ring, image.data[:cut])
        assert (found[0].offset, found[0].epoch) == (cut, EPOCH)
        assert f"must be {len(image.data)} bytes, is {cut}: cut" in found[0].what
        lost = {each.seq for each in by_offset if each.offset >= entry.offset}
        with RingView.open(ring) as view:
            read = {each.seq for each in view.walk() if hasattr(each, "payload")}
        assert read == {each.seq for each in image.records} - lost
        assert place_of(entry) in places(found)


def test_a_header_alone_is_found_to_be_cut(image, ring):
    found = check(ring, image.data[: layout.HEADER_BYTES])
    assert found[0].offset == layout.HEADER_BYTES
    assert "cut" in found[0].what


def test_any_damage_of_the_header_ends_in_findings_and_never_in_an_exception(image, ring):
    @given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=6))
    def scribble(words):
        data = image.data
        for word, value in words:
            data = poked(data, 8 * word, value)
        for finding in check(ring, data):
            assert finding.what
        list(ring_notes(ring))

    scribble()


def test_a_file_of_noise_ends_in_findings(ring):
    assert check(ring, Random(1).randbytes(3 * 4096 + 5))
    assert check(ring, bytes(3 * 4096 + 5))


# -- sound rings


class Life:
    """Both ends of a ring in this process, and what they may do."""

    def __init__(self, path, *, first_seq):
        path.unlink(missing_ok=True)
        self.path, self.first_seq = path, first_seq
        self.writer = self.open_writer()
        self.reader = RingReader.open(path, wait_s=0)

    def open_writer(self):
        options = {"capacity": CAPACITY, "run_id": RUN_ID, "first_seq": self.first_seq}
        return RingWriter.open(self.path, **options)

    def push(self, dice):
        self.writer.try_push(dice.randbytes(dice.randrange(513)))

    def push_many(self, dice):
        self.writer.try_push_many([dice.randbytes(dice.randrange(99)) for _ in range(6)])

    def pop(self, dice):
        popped = self.reader.pop_many(dice.randrange(1, 9), timeout_s=0)
        if popped and dice.random() < 0.7:
            self.reader.commit(popped[-1].seq + 1)

    def replace_writer(self, _):
        self.writer.close()
        self.writer = self.open_writer()

    def replace_reader(self, _):
        self.reader.close()
        self.reader = RingReader.open(self.path, wait_s=0)

    def close(self):
        self.writer.close()
        self.reader.close()


@given(dice=st.randoms(use_true_random=False), first_seq=st.integers(0, 50))
def test_a_sound_ring_has_no_finding_wrapped_or_not_full_or_empty(
    tmp_path_factory, dice, first_seq
):
    """After each step of a random life."""
    life = Life(tmp_path_factory.getbasetemp() / "lived.bin", first_seq=first_seq)
    steps = [life.push] * 8 + [life.push_many] * 2 + [life.pop] * 4
    steps += [life.replace_writer, life.replace_reader]
    for _ in range(40):
        assert list(check_ring(life.path, run_id=RUN_ID)) == []
        dice.choice(steps)(dice)
    life.close()
    assert list(check_ring(life.path, run_id=RUN_ID)) == []


def test_what_a_kill_may_leave_is_no_finding(tmp_path, monkeypatch):
    """The ring is checked after every single store of pushes, commits and takeovers."""
    from engine.wire.ring.memory import RingMemory

    path = tmp_path / "ring.bin"
    open_writer(path).close()
    stores = 0

    def checked(original):
        def store(*args, **kwargs):
            nonlocal stores
            original(*args, **kwargs)
            stores += 1
            found = list(check_ring(path))
            assert found == [], f"after store {stores}: {[str(each) for each in found]}"

        return store

    monkeypatch.setattr(RingMemory, "store", checked(RingMemory.store))
    monkeypatch.setattr(RingMemory, "copy", checked(RingMemory.copy))
    reader = RingReader.open(path, wait_s=0)
    for lap in range(3):
        writer = open_writer(path)
        for seq in range(5):
            writer.try_push(payload_of(seq))
            writer.try_push_many([payload_of(seq)[:90] for _ in range(3)])
            popped = reader.pop_many(7, timeout_s=0)
            if seq % 2 and popped:
                reader.commit(popped[-1].seq + 1)
        if lap == 1:
            reader.close()
            reader = RingReader.open(path, wait_s=0)
        writer.close()
    assert stores > 200


DIE = """
    import os, signal, sys
    from pathlib import Path
    from engine.wire import RingReader, RingWriter
    writer = RingWriter.open(Path(sys.argv[1]), capacity=4096, run_id=b"r" * 16)
    reader = RingReader.open(Path(sys.argv[1]), wait_s=10)
    writer.try_push(b"one")
    reader.pop(timeout_s=0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_claims_of_the_dead_and_leftovers_are_notes_and_a_bell_that_is_none_is_a_finding(tmp_path):
    path = tmp_path / "ring-0.bin"
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(DIE), str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert list(check_ring(path)) == []
    (tmp_path / ".ring-0.bin.tmp").write_bytes(b"half")
    notes = list(ring_notes(path))
    assert [note for note in notes if "the writer, pid" in note and "was killed" in note]
    assert [note for note in notes if "the reader, pid" in note and "was killed" in note]
    assert [note for note in notes if ".ring-0.bin.tmp is being written, or is left over" in note]
    bell = path.with_suffix(".bell")
    bell.unlink()
    bell.write_bytes(b"")
    (found,) = check_ring(path)
    assert (found.path, found.seq) == (bell, 1)
    assert "must be a FIFO" in found.what


def test_a_ring_of_another_run_is_found(image, ring):
    ring.write_bytes(image.data)
    (found,) = check_ring(ring, run_id=b"s" * 16)
    assert found.offset == 8 * layout.RUN_ID
    assert list(check_ring(ring)) == []
