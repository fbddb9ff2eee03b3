"""The journal keeps what it was given, in order, and says so when it cannot."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import CorruptRecord, WireError
from engine.wire.journal import Sync, read_journal, segments
from tests.wire.journals import (
    HEADER,
    ROOT,
    crash,
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

# -- what goes in comes out


@pytest.mark.parametrize("compress", [False, pytest.param(True, marks=needs_zstd)])
@pytest.mark.parametrize("sync", [Sync.EACH, Sync.INTERVAL])
def test_records_come_out_as_they_went_in_across_segments(tmp_path, sync, compress):
    writer = open_writer(tmp_path, sync=sync, compress=compress)
    writer.append_many(records_of(0, 11))
    writer.append(record_of(11))
    assert read(tmp_path) == records_of(0, 12)
    assert len(segments(tmp_path)) > 2
    assert [s.is_sealed for s in segments(tmp_path)] == [True] * (len(segments(tmp_path)) - 1) + [
        False
    ]
    assert all(s.is_compressed == (compress and s.is_sealed) for s in segments(tmp_path))
    writer.close()
    assert read(tmp_path) == records_of(0, 12)
    assert findings(tmp_path) == []


def test_a_segment_holds_the_bytes_of_the_ring(tmp_path):
    from engine.wire.checksum import PREFERRED
    from engine.wire.ring.record import Framing

    filled(tmp_path, 0, 9, segment_bytes=1 << 16)
    (segment,) = segments(tmp_path)
    framed = Framing(PREFERRED, of="a test").frame(records_of(0, 9))
    assert segment.path.read_bytes()[HEADER:] == framed


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([200, 700, 1 << 20]))
def test_any_range_is_read_in_order(first, end, segment_bytes):
    with memory_directory() as directory:
        filled(directory, 0, 30, segment_bytes=segment_bytes)
        assert read(directory, first_seq=first, end_seq=end) == records_of(first, min(end, 30))
        assert read(directory, first_seq=first) == records_of(first, 30)
        assert read(directory, end_seq=end) == records_of(0, min(end, 30))


def test_reading_from_the_middle_opens_no_earlier_segment(tmp_path):
    filled(tmp_path, 0, 30)
    found = segments(tmp_path)
    for earlier in found[:3]:
        earlier.path.write_bytes(b"x")
    assert read(tmp_path, first_seq=found[3].first_seq + 1) == records_of(
        found[3].first_seq + 1, 30
    )


def test_a_record_larger_than_a_segment_has_one_of_its_own(tmp_path):
    writer = open_writer(tmp_path)
    records = [record_of(0, 10), record_of(1, 5000), record_of(2, 10)]
    writer.append_many(records)
    assert [s.first_seq for s in segments(tmp_path)] == [0, 1, 2]
    assert read(tmp_path) == records


def test_a_record_that_no_segment_holds_is_refused_before_anything_is_written(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("engine.wire.journal.writer.MAX_SEGMENT_BYTES", 1000)
    writer = open_writer(tmp_path)
    with pytest.raises(WireError, match=r"may have 936 bytes, seq 1 has a payload of 950"):
        writer.append_many([record_of(0), record_of(1, 950)])
    assert (writer.next_seq, read(tmp_path)) == (0, [])


# -- numbers


def test_an_empty_journal_takes_any_first_number_and_then_only_the_next(tmp_path):
    writer = open_writer(tmp_path)
    assert read(tmp_path) == []
    writer.append(record_of(1234))
    assert segments(tmp_path)[0].path.name == "00000000000000001234.seg"
    for wrong in (1234, 1233, 1236, 0):
        with pytest.raises(WireError, match=rf"must get seq 1235 next, got {wrong}"):
            writer.append(record_of(wrong))
    with pytest.raises(WireError, match=r"must get seq 1236 next, got 1237"):
        writer.append_many([record_of(1235), record_of(1237)])
    assert (writer.next_seq, writer.durable_seq) == (1235, 1235)


def test_the_numbering_goes_on_after_a_restart(tmp_path):
    filled(tmp_path, 5, 9)
    filled(tmp_path, 9, 20)
    assert read(tmp_path) == records_of(5, 20)


def test_a_gap_must_be_asked_for_and_readers_are_told(tmp_path):
    writer = open_writer(tmp_path)
    writer.append_many(records_of(0, 5))
    writer.restart_at(20)
    assert (writer.next_seq, writer.durable_seq) == (20, 20)
    writer.append_many(records_of(20, 25))
    writer.close()
    with pytest.raises(WireError, match=r"no records seq 5 to 19: the writer was told"):
        read(tmp_path)
    assert read(tmp_path, end_seq=5) == records_of(0, 5)
    assert read(tmp_path, first_seq=20) == records_of(20, 25)
    with pytest.raises(WireError, match=r"no records seq 5 to 19"):
        read(tmp_path, first_seq=11)
    assert findings(tmp_path) == []
    assert open_writer(tmp_path).next_seq == 25


def test_a_restart_that_no_record_follows_leaves_no_trace(tmp_path):
    writer = open_writer(tmp_path)
    writer.append_many(records_of(0, 3))
    writer.restart_at(10)
    writer.restart_at(12)
    writer.close()
    writer = open_writer(tmp_path)
    assert writer.next_seq == 3
    writer.restart_at(3)
    writer.append(record_of(3))
    assert read(tmp_path) == records_of(0, 4)


def test_numbers_never_go_back(tmp_path):
    writer = open_writer(tmp_path)
    writer.append_many(records_of(0, 5))
    with pytest.raises(WireError, match=r"goes on at seq 5, cannot restart at 3"):
        writer.restart_at(3)


def test_a_removed_segment_is_a_gap_and_not_silence(tmp_path):
    filled(tmp_path, 0, 30)
    found = segments(tmp_path)
    found[2].path.unlink()
    first, end = found[2].first_seq, found[2].end_seq
    with pytest.raises(WireError, match=rf"no records seq {first} to {end - 1}: .* was removed"):
        read(tmp_path)
    (finding,) = findings(tmp_path)
    assert (finding.path, finding.seq) == (found[1].path, first)


# -- durability


def test_each_record_is_durable_when_append_returns(tmp_path):
    writer = open_writer(tmp_path)
    for seq in range(8):
        writer.append(record_of(seq))
        assert writer.durable_seq == seq + 1


def test_an_interval_of_records_makes_them_durable(tmp_path):
    writer = open_writer(tmp_path, sync=Sync.INTERVAL, interval_records=3, interval_s=3600)
    durable = []
    for seq in range(7):
        writer.append(record_of(seq, 10))
        durable.append(writer.durable_seq)
    assert durable == [0, 0, 3, 3, 3, 6, 6]
    writer.sync()
    assert writer.durable_seq == 7


def test_an_interval_of_time_makes_them_durable_even_if_nothing_is_appended(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("engine.wire.journal.writer.time.monotonic", lambda: now[0])
    writer = open_writer(tmp_path, sync=Sync.INTERVAL, interval_s=2)
    writer.append(record_of(0))
    now[0] += 1.5
    writer.append(record_of(1))
    assert writer.durable_seq == 0
    now[0] += 0.5
    writer.maybe_sync()
    assert writer.durable_seq == 2
    now[0] += 100
    writer.append(record_of(2))
    assert writer.durable_seq == 2, "the interval begins with the first record that is not durable"


def test_rotation_makes_the_sealed_segment_durable(tmp_path):
    writer = open_writer(tmp_path, sync=Sync.INTERVAL, interval_records=1000, interval_s=3600)
    writer.append_many(records_of(0, 30))
    assert writer.durable_seq == segments(tmp_path)[-1].first_seq


def test_without_a_journal_none_is_opened(tmp_path):
    with pytest.raises(ValueError, match="do not open one"):
        open_writer(tmp_path, sync=Sync.NONE)


@pytest.mark.parametrize(
    "options",
    [
        {"segment_bytes": 64},
        {"segment_bytes": 1 << 29},
        {"keep_bytes": -1},
        {"interval_s": -0.1},
        {"interval_records": -1},
        {"run_id": b"short"},
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match=rf"{next(iter(options))} must"):
        open_writer(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


# -- retention


def test_the_oldest_segments_go_while_the_whole_is_too_large(tmp_path):
    writer = open_writer(tmp_path, keep_bytes=2000)
    writer.append_many(records_of(0, 60))
    before = segments(tmp_path)
    removed = writer.prune(before_seq=60)
    assert removed == before[: len(removed)]
    left = segments(tmp_path)
    total = sum(s.num_bytes for s in left)
    assert total <= 2000 < total + removed[-1].num_bytes, "no more than necessary"
    assert read(tmp_path) == records_of(left[0].first_seq, 60)
    assert writer.prune(before_seq=60) == ()
    with pytest.raises(WireError, match=rf"begins at seq {left[0].first_seq}, seq 0 was asked"):
        read(tmp_path, first_seq=0)
    assert findings(tmp_path) == []


@given(before_seq=st.integers(0, 70), keep_bytes=st.integers(0, 9000))
def test_retention_never_removes_what_is_needed(before_seq, keep_bytes):
    with memory_directory() as directory:
        writer = open_writer(directory, keep_bytes=keep_bytes)
        writer.append_many(records_of(0, 60))
        writer.prune(before_seq=before_seq)
        assert read(directory, first_seq=before_seq) == records_of(before_seq, 60)
        writer.append(record_of(60))
        writer.close()
        assert open_writer(directory).next_seq == 61


# -- ends of the journal


@pytest.mark.parametrize("zeros", [0, 31, 32, 4096])
@pytest.mark.parametrize("cut", [18, 33, 100, 130])
def test_a_torn_end_ends_reading_and_is_cut_by_the_next_writer(tmp_path, caplog, cut, zeros):
    filled(tmp_path, 0, 4)
    (segment,) = segments(tmp_path)
    whole = segment.path.read_bytes()
    assert size_of([record_of(3)]) > 100
    segment.path.write_bytes(whole[:-cut] + bytes(zeros))
    assert read(tmp_path) == records_of(0, 3)
    (finding,) = findings(tmp_path)
    at = HEADER + size_of(records_of(0, 3))
    assert (finding.path, finding.offset, finding.seq) == (segment.path, at, 3)
    assert "torn end" in finding.what
    writer = open_writer(tmp_path)
    assert f"cut {len(whole) - cut + zeros - at} bytes" in caplog.text
    assert f"from byte {at} on, where seq 3 must be" in caplog.text
    assert writer.next_seq == 3
    writer.append(record_of(3))
    assert segment.path.read_bytes() == whole
    assert findings(tmp_path) == []


def test_whole_records_behind_a_hole_are_kept_aside_when_the_end_is_cut(tmp_path, caplog):
    """A power failure may leave a later page and not an earlier one."""
    filled(tmp_path, 0, 6, segment_bytes=1 << 16)
    (segment,) = segments(tmp_path)
    whole = bytearray(segment.path.read_bytes())
    at = HEADER + size_of(records_of(0, 3))
    whole[at : at + 40] = bytes(40)
    segment.path.write_bytes(whole)
    with pytest.raises(CorruptRecord, match=rf"record seq 3 at byte {at} \(epoch 3\)") as caught:
        read(tmp_path)
    assert (caught.value.seq, caught.value.offset, caught.value.epoch) == (3, at, 3)
    writer = open_writer(tmp_path, keep_bytes=0)
    assert writer.next_seq == 3
    assert "whole records from seq 4 on" in caplog.text
    (aside,) = tmp_path.glob("*.torn")
    assert aside.read_bytes() == whole[at:]
    writer.append_many(records_of(3, 30))
    assert read(tmp_path) == records_of(0, 3) + records_of(3, 30)
    writer.close()
    writer = open_writer(tmp_path, keep_bytes=0, segment_bytes=700)
    writer.append_many(records_of(30, 40))
    writer.prune(before_seq=40)
    assert not aside.exists(), "it goes with its segment"


def test_leftovers_of_an_interrupted_replacement_are_swept(tmp_path):
    filled(tmp_path, 0, 30)
    first = segments(tmp_path)[0].path
    before = files_of(tmp_path)
    (tmp_path / f".{first.name}.zst.4711.tmp").write_bytes(b"half")
    first.with_name(first.name + ".zst").write_bytes(b"twin")
    assert read(tmp_path) == records_of(0, 30), "the plain file counts"
    open_writer(tmp_path).close()
    assert files_of(tmp_path) == before


def test_other_files_in_the_directory_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "1.seg").write_text("no segment")
    (tmp_path / ("9" * 20 + ".seg")).write_text("beyond 64 bits")
    before = files_of(tmp_path)
    open_writer(tmp_path).close()
    assert files_of(tmp_path) == before
    assert segments(tmp_path) == ()


def test_a_directory_that_is_not_there_is_an_error_for_a_reader(tmp_path):
    for reading in (segments, read, findings):
        with pytest.raises(WireError, match="there is no journal in"):
            reading(tmp_path / "nowhere")


def test_the_journal_of_another_run_is_refused(tmp_path):
    filled(tmp_path, 0, 3)
    with pytest.raises(WireError, match="one run directory a run"):
        open_writer(tmp_path, run_id=b"s" * 16)


# -- compression


def test_compression_without_its_package_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(WireError, match=r"needs the package zstandard; pip install"):
        open_writer(tmp_path, compress=True)
    assert list(tmp_path.iterdir()) == []


@needs_zstd
def test_a_compressed_segment_without_the_package_is_named(tmp_path, monkeypatch):
    filled(tmp_path, 0, 30, compress=True)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(WireError, match=r"reading .*0000\.seg\.zst needs the package zstandard"):
        read(tmp_path)
    assert open_writer(tmp_path).next_seq == 30, "a writer needs the last segment only"


@needs_zstd
def test_segments_sealed_without_compression_are_caught_up_with(tmp_path):
    filled(tmp_path, 0, 30)
    filled(tmp_path, 30, 80, compress=True)
    assert all(s.is_compressed for s in segments(tmp_path)[:-1])
    assert read(tmp_path) == records_of(0, 80)


@needs_zstd
def test_a_failing_compression_keeps_the_plain_segment_and_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("engine.wire.journal.retention.compress", lambda content: content[:-1])
    writer = open_writer(tmp_path, compress=True)
    writer.append_many(records_of(0, 30))
    assert "stays uncompressed" in caplog.text
    assert not any(s.is_compressed for s in segments(tmp_path))
    assert read(tmp_path) == records_of(0, 30)


@needs_zstd
def test_a_journal_whose_last_segment_is_compressed_goes_on_in_a_new_one(tmp_path):
    filled(tmp_path, 0, 30, compress=True)
    segments(tmp_path)[-1].path.unlink()
    end = segments(tmp_path)[-1]
    writer = open_writer(tmp_path)
    writer.append(record_of(writer.next_seq))
    assert read(tmp_path) == records_of(0, writer.next_seq)
    assert segments(tmp_path)[-2].first_seq == end.first_seq


# -- one writer, many readers


OPEN = """
import os, sys, time
from pathlib import Path
from engine.wire import WireError
from tests.wire.journals import open_writer, record_of
writer = open_writer(Path(sys.argv[1]))
"""


def test_two_writers_are_refused_and_the_first_is_named(tmp_path):
    writer = open_writer(tmp_path)
    with pytest.raises(WireError, match=rf"already has a live writer, pid {os.getpid()}"):
        open_writer(tmp_path)
    other = run_python(OPEN, tmp_path)
    assert f"already has a live writer, pid {os.getpid()}" in other.stderr
    writer.close()
    assert run_python(OPEN, tmp_path).returncode == 0


def test_the_lock_dies_with_its_process_even_if_a_child_of_it_lives(tmp_path):
    code = OPEN + "child = os.fork()\nos.write(1, b'%d\\n' % child)\ntime.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as first:
        # Both print, the child its 0: a copy of the lock goes when the child first runs.
        child = sum(int(first.stdout.readline()) for _ in range(2))
        try:
            with pytest.raises(WireError, match=rf"live writer, pid {first.pid}"):
                open_writer(tmp_path)
            first.kill()
            first.wait()
            open_writer(tmp_path).close()
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_may_not_write(tmp_path):
    code = """
if not os.fork():
    try:
        writer.append(record_of(0))
    except WireError:
        os._exit(7)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
writer.append(record_of(0))
"""
    done = run_python(OPEN + code, tmp_path)
    assert done.stdout == "7\n", done.stderr
    assert read(tmp_path) == records_of(0, 1)


def test_a_closed_writer_says_so(tmp_path):
    writer = open_writer(tmp_path)
    writer.close()
    writer.close()
    for call in (
        lambda: writer.append(record_of(0)),
        writer.sync,
        lambda: writer.prune(0),
        lambda: writer.restart_at(9),
    ):
        with pytest.raises(WireError, match="this writer is closed"):
            call()


@pytest.mark.parametrize("compress", [False, pytest.param(True, marks=needs_zstd)])
def test_a_reader_beside_a_live_writer_sees_a_growing_whole_prefix(tmp_path, compress):
    """It never sees damage, never a gap, and never misses what was appended before it looked."""
    options = {"sync": Sync.INTERVAL, "interval_s": 3600, "segment_bytes": 12000}
    writer = open_writer(tmp_path, compress=compress, **options)
    writer.append(record_of(0))
    failed = []

    def look():
        try:
            seen = 0
            while seen < 2000:
                least = writer.next_seq
                got = read(tmp_path, first_seq=seen)
                assert [r.seq for r in got] == list(range(seen, seen + len(got)))
                assert all(r == record_of(r.seq) for r in got)
                seen += len(got)
                assert seen >= least
        except BaseException as error:  # noqa: BLE001  # told to the main thread
            failed.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for seq in range(1, 2000):
        writer.append(record_of(seq))
    reader.join(60)
    assert not reader.is_alive()
    assert failed == []


@needs_zstd
def test_a_segment_that_is_compressed_or_removed_under_a_reader_is_still_read(tmp_path):
    from engine.wire.journal.retention import compress_segment

    filled(tmp_path, 0, 30)
    reading = read_journal(tmp_path)
    got = [next(reading)]
    for segment in segments(tmp_path)[:-1]:
        compress_segment(segment.path)
    got += [next(reading) for _ in range(12)]
    at = got[-1].seq
    for segment in segments(tmp_path):
        if segment.end_seq is not None and segment.end_seq <= at + 1:
            segment.path.unlink()
    assert got + list(reading) == records_of(0, 30)


def test_a_reader_that_retention_overtakes_is_told(tmp_path):
    writer = open_writer(tmp_path, keep_bytes=0)
    writer.append_many(records_of(0, 30))
    reading = read_journal(tmp_path)
    next(reading)
    writer.prune(before_seq=30)
    with pytest.raises(WireError, match="retention has removed it"):
        list(reading)


def test_a_kill_of_the_process_loses_no_appended_record(tmp_path):
    writer = open_writer(tmp_path, sync=Sync.INTERVAL, interval_s=3600, interval_records=1000)
    writer.append_many(records_of(0, 7))
    crash(writer)
    assert open_writer(tmp_path).next_seq == 7
    assert read(tmp_path) == records_of(0, 7)
