"""A disk that refuses: nothing half-written is believed, and there is a way on."""

import errno
import os
import subprocess
from contextlib import suppress

import pytest

from engine.wire import WireError
from engine.wire.journal import Sync, read_journal, segments
from tests.wire.journals import (
    files_of,
    filled,
    findings,
    needs_zstd,
    open_writer,
    read,
    record_of,
    records_of,
    run_python,
)

BLOCKS = 256 << 10


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, and a file that fills it."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={BLOCKS}", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def fill_up(disk):
    """Take all the space there is."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        for size in (4096, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break


def append_each(writer, records):
    for record in records:
        writer.append(record)


@pytest.mark.root
@pytest.mark.parametrize("same_writer", [True, False])
@pytest.mark.parametrize("sync", [Sync.EACH, Sync.INTERVAL])
def test_a_full_disk_refuses_and_after_making_room_it_goes_on(small_disk, sync, same_writer):
    directory = small_disk / "ring-0"
    writer = open_writer(directory, sync=sync, segment_bytes=20_000)
    records = [record_of(seq, 3000) for seq in range(200)]
    with pytest.raises(WireError, match=r"No space left .* append again from seq \d+") as caught:
        append_each(writer, records)
    stopped = writer.next_seq
    assert 20 < stopped < 120
    assert f"before seq {stopped} are in the journal" in str(caught.value)
    assert f"before seq {writer.durable_seq} on disk" in str(caught.value)
    for _ in range(3):
        with pytest.raises(WireError, match="No space left"):
            writer.append(record_of(stopped, 9000))
        assert writer.next_seq == stopped
    assert read(directory) == records[:stopped]
    assert findings(directory) == [], "nothing half-written stays"
    if not same_writer:
        writer.close()
        writer = open_writer(directory, sync=sync, segment_bytes=20_000)
        assert writer.next_seq == stopped
    for old in segments(directory)[:2]:
        old.path.unlink()
    writer.append_many(records[stopped : stopped + 3])
    oldest = segments(directory)[0].first_seq
    assert read(directory) == records[oldest : stopped + 3]
    assert findings(directory) == []


@pytest.mark.root
def test_retention_makes_room_on_a_full_disk(small_disk):
    writer = open_writer(small_disk / "ring-0", segment_bytes=20_000, keep_bytes=100_000)
    with pytest.raises(WireError, match="No space left"):
        append_each(writer, [record_of(seq, 3000) for seq in range(200)])
    assert writer.prune(before_seq=writer.next_seq)
    writer.append(record_of(writer.next_seq, 3000))
    assert findings(small_disk / "ring-0") == []


@pytest.mark.root
@needs_zstd
def test_compression_on_a_full_disk_keeps_the_plain_segments(small_disk, caplog):
    directory = small_disk / "ring-0"
    filled(directory, 0, 12, segment_bytes=1 << 14)
    fill_up(small_disk)
    from engine.wire.journal.retention import compress_sealed

    writer = open_writer(directory, segment_bytes=400)
    with pytest.raises(WireError, match="No space left"):
        writer.append_many(records_of(12, 40))
    before = files_of(directory)
    compress_sealed(directory)
    assert files_of(directory) == before
    assert read(directory) == records_of(0, writer.next_seq)


def test_a_limit_on_file_sizes_refuses_and_leaves_whole_records(tmp_path):
    """EFBIG in mid-record: part of it was written before the limit struck."""
    code = """
import resource, sys
from pathlib import Path
from engine.wire import WireError
from tests.wire.journals import open_writer, record_of
writer = open_writer(Path(sys.argv[1]), segment_bytes=1 << 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    for seq in range(99):
        writer.append(record_of(seq, 900))
except WireError as error:
    print(error)
print(writer.next_seq, writer.durable_seq)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.append(record_of(writer.next_seq, 900))
"""
    done = run_python(code, tmp_path)
    said, numbers = done.stdout.splitlines()
    assert "cannot append seq 10: File too large" in said
    assert numbers == "10 10"
    assert read(tmp_path) == [record_of(seq, 900) for seq in range(11)]
    assert findings(tmp_path) == []


def refuse(monkeypatch, name, *, code=errno.EIO, after=0):
    """Let a system call fail once, after so many that do not."""
    real, left = getattr(os, name), [after]

    def refusing(*arguments, **options):
        left[0] -= 1
        if left[0] == -1:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, refusing)


def test_what_a_failed_sync_left_in_doubt_is_taken_back(tmp_path, monkeypatch):
    """The kernel drops the pages it could not write, and calls the next sync a success."""
    writer = open_writer(tmp_path, sync=Sync.INTERVAL, interval_s=3600, segment_bytes=1 << 16)
    writer.append_many(records_of(0, 4))
    writer.sync()
    writer.append_many(records_of(4, 9))
    refuse(monkeypatch, "fdatasync")
    with pytest.raises(
        WireError, match=r"before seq 4 on disk.* append again from seq 4"
    ) as caught:
        writer.sync()
    assert caught.value.__cause__.errno == errno.EIO
    assert (writer.next_seq, writer.durable_seq) == (4, 4)
    assert read(tmp_path) == records_of(0, 4)
    writer.append_many(records_of(4, 9))
    writer.sync()
    assert read(tmp_path) == records_of(0, 9)
    assert findings(tmp_path) == []


def test_with_sync_each_a_failed_sync_fails_the_append(tmp_path, monkeypatch):
    writer = open_writer(tmp_path)
    writer.append(record_of(0))
    refuse(monkeypatch, "fdatasync", code=errno.ENOSPC)
    with pytest.raises(WireError, match="No space left"):
        writer.append(record_of(1))
    assert (writer.next_seq, read(tmp_path)) == (1, records_of(0, 1))
    writer.append(record_of(1))
    assert read(tmp_path) == records_of(0, 2)


def test_a_cut_that_fails_is_made_up_for_before_the_next_write(tmp_path, monkeypatch):
    writer = open_writer(tmp_path, segment_bytes=1 << 16)
    writer.append(record_of(0))
    real = os.pwrite
    calls = []

    def short(descriptor, data, at):
        calls.append(at)
        if len(calls) == 1:
            return real(descriptor, data[:100], at)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", short)
    refuse(monkeypatch, "ftruncate")
    with pytest.raises(WireError, match="No space left"):
        writer.append(record_of(1, 3000))
    assert "torn end" in findings(tmp_path)[0].what
    assert read(tmp_path) == records_of(0, 1)
    reading = read_journal(tmp_path)
    given = [next(reading)]
    writer.append(record_of(1, 10))
    assert findings(tmp_path) == [], "nothing is left behind the shorter record"
    writer.append(record_of(2))
    given += reading
    assert given == read(tmp_path) == [record_of(0), record_of(1, 10), record_of(2)]
    assert findings(tmp_path) == []


@pytest.mark.parametrize("name", ["fsync", "replace", "open"])
@pytest.mark.parametrize("after", range(4))
def test_a_refusal_while_a_segment_is_begun_leaves_a_journal_that_goes_on(
    tmp_path, monkeypatch, name, after
):
    writer = open_writer(tmp_path, sync=Sync.INTERVAL)
    writer.append_many(records_of(0, 5))
    with monkeypatch.context() as patched:
        refuse(patched, name, after=after)
        with suppress(WireError):
            writer.append_many(records_of(5, 20))
    writer.append_many(records_of(writer.next_seq, 20))
    assert read(tmp_path) == records_of(0, 20)
    assert findings(tmp_path) == []
    writer.close()
    assert open_writer(tmp_path).next_seq == 20


def test_an_opening_that_is_refused_lets_the_next_one_in(tmp_path, monkeypatch):
    filled(tmp_path, 0, 5)
    for name in ("fsync", "open"):
        with monkeypatch.context() as patched:
            refuse(patched, name, code=errno.EROFS, after=1)
            with pytest.raises(WireError, match=r"cannot open the journal: .*Read-only"):
                open_writer(tmp_path)
    assert open_writer(tmp_path).next_seq == 5
