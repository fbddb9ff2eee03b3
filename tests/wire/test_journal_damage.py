"""Whatever happens to the files, no wrong payload comes out of them, and a check finds it."""

import os

import pytest

from engine.wire import CorruptRecord, WireError
from engine.wire.checksum import PREFERRED
from engine.wire.journal import read_journal, segments
from engine.wire.journal.header import MAX_SEGMENT_BYTES, Header
from engine.wire.journal.segments import segment_path
from engine.wire.ring.layout import record_size
from engine.wire.ring.record import Framing
from tests.wire.journals import (
    HEADER,
    RUN_ID,
    files_of,
    filled,
    findings,
    memory_directory,
    needs_zstd,
    open_writer,
    read,
    record_of,
    records_of,
    run_python,
    size_of,
)

END = 14
TURNS = [0, *(pytest.param(turn, marks=pytest.mark.stress) for turn in range(1, 8))]
"""One bit of each byte by default, all eight under stress."""
COMPRESS = [False, pytest.param(True, marks=needs_zstd)]


@pytest.fixture
def directory():
    with memory_directory() as directory:
        yield directory


def given(directory, **limits):
    """What is read until the end or the first damage."""
    seen = []
    try:
        seen.extend(read_journal(directory, **limits))
    except WireError as error:
        return seen, error
    return seen, None


def flips(directory, *, turn):
    """Every damage by one bit of one file, in turn: the segment and the byte."""
    for segment in segments(directory):
        whole = segment.path.read_bytes()
        for offset in range(len(whole)):
            flipped = bytearray(whole)
            flipped[offset] ^= 1 << (offset + turn) % 8
            segment.path.write_bytes(flipped)
            yield segment, offset
        segment.path.write_bytes(whole)


@pytest.mark.parametrize("compress", COMPRESS)
@pytest.mark.parametrize("turn", TURNS)
def test_a_flipped_bit_anywhere_never_gives_a_wrong_record_to_a_reader(directory, turn, compress):
    filled(directory, 0, END, compress=compress)
    refused = 0
    for segment, offset in flips(directory, turn=turn):
        seen, error = given(directory)
        assert seen == records_of(0, len(seen)), f"after a flip at {offset} of {segment.path}"
        assert error is not None or len(seen) >= segments(directory)[-1].first_seq
        refused += error is not None
        later, _ = given(directory, first_seq=10)
        assert later == records_of(10, 10 + len(later))
    assert refused > 600


@pytest.mark.parametrize("turn", TURNS)
def test_a_flipped_bit_anywhere_is_found_with_its_place(directory, turn):
    filled(directory, 0, END)
    for segment, offset in flips(directory, turn=turn):
        (finding,) = findings(directory)
        at, seq = HEADER, segment.first_seq
        while at + (size := record_size(len(record_of(seq).payload))) <= offset:
            at, seq = at + size, seq + 1
        place = (0, segment.first_seq) if offset < HEADER else (at, seq)
        assert (finding.offset, finding.seq) == place, finding
        assert finding.path == segment.path
        assert finding.epoch == (3 if seq > segment.first_seq else 0)


@needs_zstd
def test_a_flipped_bit_of_a_compressed_segment_is_found_or_does_no_harm(directory):
    filled(directory, 0, END, compress=True)
    harmless = 0
    for segment, offset in flips(directory, turn=0):
        if segment.is_compressed and not findings(directory):
            assert read(directory) == records_of(0, END), f"after a flip at {offset}"
            harmless += 1
    assert harmless <= 2 * len(segments(directory)), "a frame's header has a bit without meaning"


@pytest.mark.parametrize("turn", TURNS)
def test_a_flipped_bit_anywhere_never_makes_a_writer_misnumber_or_lose_whole_records(
    directory, turn
):
    """A writer refuses a damaged header; damage in the last segment it cuts, and keeps the rest."""
    filled(directory, 0, END)
    pristine = files_of(directory)
    for segment, offset in flips(directory, turn=turn):
        if segment.is_sealed:
            continue
        try:
            writer = open_writer(directory)
        except WireError:
            assert offset < HEADER
        else:
            assert offset >= HEADER
            assert read(directory) == records_of(0, writer.next_seq)
            later = Framing(PREFERRED, of="a test").frame(records_of(writer.next_seq + 1, END))
            kept = b"".join(path.read_bytes() for path in directory.glob("*.torn"))
            assert later in kept
            writer.close()
        for path in directory.glob("*.torn"):
            path.unlink()
        for name, content in pristine.items():
            (directory / name).write_bytes(content)


def test_several_damages_are_all_found(directory):
    filled(directory, 0, 40)
    found = segments(directory)
    planted = {}
    for segment in (found[1], found[3]):
        content = bytearray(segment.path.read_bytes())
        seqs = range(segment.first_seq, segment.end_seq)
        for seq in (seqs[0], seqs[-1]):
            at = HEADER + size_of(records_of(seqs[0], seq))
            content[at + 32] ^= 1  # in the payload
            planted[segment.path, at] = seq
        segment.path.write_bytes(content)
    assert {(f.path, f.offset): f.seq for f in findings(directory)} == planted


def test_a_damaged_length_does_not_hide_what_follows(directory):
    """The size that the record claims leads nowhere: every place is tried instead."""
    filled(directory, 0, 6, segment_bytes=1 << 14)
    (segment,) = segments(directory)
    content = bytearray(segment.path.read_bytes())
    at = HEADER + size_of(records_of(0, 2))
    content[at] ^= 0x40
    segment.path.write_bytes(content)
    (finding,) = findings(directory)
    assert (finding.offset, finding.seq, finding.epoch) == (at, 2, 3)
    assert f"the next one, 3, is at byte {HEADER + size_of(records_of(0, 3))}" in finding.what
    with pytest.raises(CorruptRecord, match=rf"record seq 2 at byte {at} \(epoch 3\)"):
        read(directory)


def test_records_behind_a_damaged_payload_can_still_be_read(directory):
    filled(directory, 0, 6, segment_bytes=1 << 14)
    (segment,) = segments(directory)
    content = bytearray(segment.path.read_bytes())
    content[HEADER + size_of(records_of(0, 2)) + 40] ^= 1
    segment.path.write_bytes(content)
    assert read(directory, first_seq=3) == records_of(3, 6)
    assert read(directory, end_seq=2) == records_of(0, 2)


def test_a_lost_block_is_one_finding_that_names_all_lost_records(directory):
    filled(directory, 0, 20, segment_bytes=1 << 14)
    (segment,) = segments(directory)
    content = bytearray(segment.path.read_bytes())
    at, end = (HEADER + size_of(records_of(0, seq)) for seq in (5, 9))
    content[at:end] = bytes(end - at)
    segment.path.write_bytes(content)
    (finding,) = findings(directory)
    assert (finding.offset, finding.seq) == (at, 5)
    assert f"records 5 to 8 are not whole; 9 is at byte {end}" in finding.what


def test_a_repeated_record_is_found_and_not_read_twice(directory):
    filled(directory, 0, 6, segment_bytes=1 << 14)
    (segment,) = segments(directory)
    content = segment.path.read_bytes()
    at, end = (HEADER + size_of(records_of(0, seq)) for seq in (3, 4))
    segment.path.write_bytes(content[:end] + content[at:])
    (finding,) = findings(directory)
    assert (finding.offset, finding.seq) == (end, 4)
    seen, error = given(directory)
    assert seen == records_of(0, 4)
    assert isinstance(error, CorruptRecord)


def test_swapped_and_foreign_segments_are_found(directory):
    filled(directory, 0, 40)
    with memory_directory() as other:
        filled(other, 0, 40, run_id=b"s" * 16)
        found = segments(directory)
        foreign = (other / found[2].path.name).read_bytes()
    first, second = found[4].path.read_bytes(), found[5].path.read_bytes()
    found[4].path.write_bytes(second)
    found[5].path.write_bytes(first)
    found[2].path.write_bytes(foreign)
    what = {finding.path: finding.what for finding in findings(directory) if not finding.offset}
    assert "its header says" in what[found[4].path]
    assert "its header says" in what[found[5].path]
    assert "must belong to run" in what[found[2].path]
    seen, error = given(directory)
    assert seen == records_of(0, len(seen))
    assert f"{found[2].path} must belong to run" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: b"NOTAJRNL" + h[8:56], "its magic is b'NOTAJRNL'"),
        (lambda h: h[:8] + b"\x07" + h[9:56], "has journal version 7, this kelvin reads 1"),
        (lambda h: h[:12] + b"\x09" + h[13:56], "checked by checksum 9"),
        (lambda h: h[:32] + b"\x05" + h[33:56], "must begin with seq 0, its header says 5"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_by_everybody(directory, change, message):
    from engine.wire.journal.header import _check, _crc

    filled(directory, 0, 3)
    (segment,) = segments(directory)
    content = segment.path.read_bytes()
    plain = change(content[:64])
    segment.path.write_bytes(plain + _check.pack(_crc(plain, 0)) + content[64:])
    for reading in (read, open_writer):
        with pytest.raises(WireError, match=message):
            reading(directory)
    assert any(message in finding.what for finding in findings(directory))


def test_bytes_that_pose_as_a_record_inside_a_payload_are_never_read(directory):
    """A payload is what a model wrote: it may hold a whole record with the right number."""
    framing = Framing(PREFERRED, of="a test")
    posing = record_of(2, 40)._replace(payload=b"posing")
    hostile = record_of(1)._replace(payload=bytes(64) + framing.frame([posing]))
    writer = open_writer(directory, segment_bytes=1 << 14)
    writer.append_many([record_of(0), hostile])
    writer.close()
    (segment,) = segments(directory)
    content = bytearray(segment.path.read_bytes())
    content[HEADER + size_of([record_of(0)])] ^= 0x01  # the length of the record that holds it
    segment.path.write_bytes(content)
    for first_seq in (0, 1, 2):
        seen, _ = given(directory, first_seq=first_seq)
        assert posing not in seen
    writer = open_writer(directory)
    assert writer.next_seq == 1
    assert read(directory) == [record_of(0)]


# -- files that want too much


@needs_zstd
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["honest", "boasting", "modest", "frames", "window", "unsized"])
def test_a_compressed_bomb_is_refused_in_bounded_memory(tmp_path, kind):
    """A few bytes that claim to be gigabytes: the reading process stays small."""
    import zstandard

    header = Header(PREFERRED, RUN_ID, 0, 0).to_bytes()
    zeros = header + bytes(MAX_SEGMENT_BYTES + 1)
    frame = zstandard.ZstdCompressor().compress(zeros)
    magic, flags, window, blocks = frame[:4], frame[4] | 0xC0, frame[5:6], frame[10:]
    sized = magic + bytes([flags])  # with eight bytes for the size
    packed = {
        "honest": frame,
        "boasting": sized + window + (1 << 40).to_bytes(8, "little") + blocks,
        "modest": sized + window + (1000).to_bytes(8, "little") + blocks,
        "frames": zstandard.ZstdCompressor().compress(header) + frame,
        "window": sized + b"\xff" + (1 << 40).to_bytes(8, "little") + blocks,
        "unsized": zstandard.ZstdCompressor(write_content_size=False).compress(zeros),
    }[kind]
    assert len(packed) < 1 << 16
    (tmp_path / (segment_path(tmp_path, 0).name + ".zst")).write_bytes(packed)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from engine.wire.journal import check_journal\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "print(*(f.what for f in check_journal(Path(sys.argv[1]))))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
    )
    done = run_python(code, tmp_path)
    assert "cannot be decompressed" in done.stdout
    assert int(done.stderr) < 5 * MAX_SEGMENT_BYTES >> 20, f"took {done.stderr} MiB"


def test_a_record_that_claims_to_be_enormous_costs_nothing(directory):
    filled(directory, 0, 3)
    (segment,) = segments(directory)
    content = bytearray(segment.path.read_bytes())
    for claim in (MAX_SEGMENT_BYTES, MAX_SEGMENT_BYTES + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1):
        content[HEADER : HEADER + 8] = claim.to_bytes(8, "little")
        segment.path.write_bytes(content)
        seen, error = given(directory)
        assert (seen, type(error)) == ([], CorruptRecord)


def test_a_sparse_file_that_claims_terabytes_is_read_in_bounded_memory(directory):
    filled(directory, 0, 3)
    (segment,) = segments(directory)
    os.truncate(segment.path, 1 << 40)
    assert read(directory) == records_of(0, 3)
    assert "torn end" in findings(directory)[0].what
    writer = open_writer(directory)
    assert (writer.next_seq, segment.path.stat().st_size < 1000) == (3, True)
