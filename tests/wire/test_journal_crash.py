"""Whatever a crash leaves, what was durable is there, in order, once, and as it was."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.wire import WireError
from engine.wire.journal import Sync, read_journal, segments
from engine.wire.journal import lock as lock_module
from engine.wire.ring.layout import record_size
from tests.wire.journal_disk import Disk, KilledError
from tests.wire.journals import (
    HAS_ZSTD,
    HEADER,
    SHM,
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
    size_of,
)

KILLER = Path(__file__).with_name("journal_killer.py")

# -- a model


class JournalModel(RuleBasedStateMachine):
    """A journal beside a plain dictionary of what is in it."""

    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.records = {}
        self.compress = False
        self.open()

    def teardown(self):
        self.writer.close()
        shutil.rmtree(self.directory)

    def open(self):
        self.writer = open_writer(
            self.directory,
            sync=Sync.INTERVAL,
            interval_s=3600,
            interval_records=7,
            segment_bytes=500,
            keep_bytes=1500,
            compress=self.compress,
        )

    @rule(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=9))
    def append(self, sizes):
        first = self.writer.next_seq
        records = [record_of(first + n, size, epoch=n) for n, size in enumerate(sizes)]
        self.writer.append_many(records)
        self.records |= {record.seq: record for record in records}

    @rule()
    def sync(self):
        self.writer.sync()
        assert self.writer.durable_seq == self.writer.next_seq

    @precondition(lambda self: self.records)
    @rule(skip=st.integers(0, 3))
    def restart(self, skip):
        self.writer.restart_at(self.writer.next_seq + skip)

    @precondition(lambda self: self.records)
    @rule(back=st.integers(0, 12))
    def prune(self, back):
        needed = self.writer.next_seq - back
        self.writer.prune(before_seq=needed)
        left = segments(self.directory)[0].first_seq
        assert all(seq < needed for seq in self.records if seq < left)
        self.records = {seq: r for seq, r in self.records.items() if seq >= left}

    @precondition(lambda _: HAS_ZSTD)
    @rule()
    def change_compression(self):
        self.writer.close()
        self.compress = not self.compress
        self.open()

    @rule()
    def reopen(self):
        known = max(self.records, default=-1) + 1
        self.writer.close()
        self.open()
        assert self.writer.next_seq == self.writer.durable_seq == known

    @rule(kept=st.floats(0, 1), zeros=st.floats(0, 1), is_kill=st.booleans())
    def crash(self, kept, zeros, is_kill):
        """Not only the process: of what was not durable, part is gone and part is zeros."""
        durable, known = self.writer.durable_seq, max(self.records, default=-1) + 1
        crash(self.writer)
        if not is_kill:
            self.tear(durable, kept=kept, zeros=zeros)
        self.open()
        next_seq = self.writer.next_seq
        assert min(durable, known) <= next_seq <= known
        assert next_seq == known or not is_kill, "a kill alone loses nothing"
        self.records = {seq: r for seq, r in self.records.items() if seq < next_seq}
        files = files_of(self.directory)
        self.writer.close()
        self.open()
        assert files_of(self.directory) == files, "recovering again must change nothing"

    def tear(self, durable, *, kept, zeros):
        found = segments(self.directory)
        if not found or found[-1].is_compressed:
            return
        last, synced = found[-1], HEADER
        for seq in range(last.first_seq, durable):
            if seq in self.records:
                synced += record_size(len(self.records[seq].payload))
        content = last.path.read_bytes()
        cut = synced + round(kept * (len(content) - synced))
        fill = bytes(round(zeros * (len(content) - cut)))
        last.path.write_bytes(content[:cut] + fill)

    @invariant()
    def it_holds_what_the_model_holds_in_order(self):
        for run in runs(sorted(self.records)):
            got = read(self.directory, first_seq=run[0], end_seq=run[-1] + 1)
            assert got == [self.records[seq] for seq in run]
        assert findings(self.directory) == []


def runs(numbers):
    """Numbers in ranges without gaps."""
    found = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


TestJournalModel = JournalModel.TestCase
TestJournalModel.settings = settings(max_examples=60, stateful_step_count=25)


# -- power failures


class Promise:
    """What the writer has said of its records so far."""

    def __init__(self):
        self.durable = self.appended = self.needed = 0


def check_state(files, promise, seen):
    """Open what a power failure left: everything promised is there, and nothing else."""
    key = (tuple(sorted(files.items())), promise.durable, promise.appended, promise.needed)
    if key in seen:
        return
    seen.add(key)
    with memory_directory() as directory:
        for name, content in files.items():
            (directory / name).write_bytes(content)
        writer = open_writer(directory)
        assert promise.durable <= writer.next_seq <= promise.appended, (files.keys(), writer)
        if writer.next_seq:
            first = segments(directory)[0].first_seq
            assert first <= promise.needed
            assert read(directory) == records_of(first, writer.next_seq)
        assert findings(directory) == []
        recovered = files_of(directory)
        writer.close()
        open_writer(directory).close()
        assert files_of(directory) == recovered


def life(directory, promise, *, compress, sync):
    """Everything that a writer does."""
    for end in (9, 20):
        options = {"sync": sync, "interval_s": 3600, "interval_records": 4, "keep_bytes": 900}
        writer = open_writer(directory, compress=compress, segment_bytes=400, **options)
        assert writer.next_seq == promise.appended
        promise.durable = writer.durable_seq
        while writer.next_seq < end:
            promise.appended = writer.next_seq + 1
            writer.append(record_of(writer.next_seq))
            promise.durable = writer.durable_seq
        promise.needed = end - 4
        writer.prune(before_seq=promise.needed)
        writer.close()
        promise.durable = promise.appended


@pytest.mark.parametrize("sync", [Sync.EACH, Sync.INTERVAL])
@pytest.mark.parametrize("compress", [False, pytest.param(True, marks=needs_zstd)])
def test_a_power_failure_at_any_system_call_loses_nothing_durable(compress, sync):
    promise, seen = Promise(), set()
    with memory_directory() as directory:
        disk = Disk(directory, lambda files: check_state(files, promise, seen))
        with disk.watching():
            life(directory, promise, compress=compress, sync=sync)
        assert read(directory)[-4:] == records_of(16, 20)
    assert len(seen) > 100


@pytest.mark.parametrize("compress", [False, pytest.param(True, marks=needs_zstd)])
def test_a_power_failure_after_a_kill_at_any_system_call_loses_nothing_durable(compress):
    """The next writer calls durable what the killed one had appended and not synced."""
    fuse, was_killed, seen = 0, True, set()
    while was_killed:
        promise = Promise()
        with memory_directory() as directory:
            disk = Disk(directory, lambda _: None)
            with disk.watching():
                disk.fuse = fuse
                was_killed = not completed(directory, promise, compress=compress)
                disk.fuse = None
                disk.at_crash = lambda files, promise=promise: check_state(files, promise, seen)
                writer = open_writer(directory)
                promise.durable = writer.durable_seq
                writer.append(record_of(writer.next_seq))
                promise.durable = promise.appended = writer.next_seq
                writer.close()
        fuse += 1
    assert fuse > 25


def completed(directory, promise, *, compress):
    """Whether a writer got through its life before it was killed."""
    promise.appended = 1  # by the next writer, if this one gets nowhere
    try:
        options = {"sync": Sync.INTERVAL, "interval_s": 3600, "segment_bytes": 400}
        writer = open_writer(directory, compress=compress, keep_bytes=500, **options)
        for seq in range(7):
            promise.appended = seq + 2
            writer.append(record_of(seq))
        promise.needed = 5
        writer.prune(before_seq=5)
        writer.close()
    except KilledError:
        for lock in list(lock_module._held):
            lock.release()
        return False
    return True


def test_a_power_failure_during_recovery_loses_nothing_that_was_whole():
    promise, seen = Promise(), set()
    promise.durable = promise.appended = 3
    with memory_directory() as directory:
        filled(directory, 0, 7, segment_bytes=1 << 12)
        (segment,) = segments(directory)
        at = HEADER + size_of(records_of(0, 3))
        whole = bytearray(segment.path.read_bytes())
        whole[at : at + 40] = bytes(40)
        segment.path.write_bytes(whole)
        aside = f"{segment.path.name}.{at}.torn"

        def at_crash(files):
            kept = files.pop(aside, b"")
            assert len(files[segment.path.name]) == len(whole) or kept == whole[at:]
            check_state(files, promise, seen)

        disk = Disk(directory, at_crash)
        with disk.watching():
            open_writer(directory).close()
        assert read(directory) == records_of(0, 3)
    assert len(seen) == 2, "before the cut and after it"


@pytest.mark.parametrize("fill", [b"", b"\0"])
def test_a_last_segment_cut_at_any_byte_gives_its_whole_records(fill):
    with memory_directory() as directory:
        filled(directory, 0, 14)
        last = segments(directory)[-1]
        whole, ends = last.path.read_bytes(), {}
        at = HEADER
        for seq in range(last.first_seq, 14):
            ends[seq] = at = at + record_size(len(record_of(seq).payload))
        for size in range(HEADER, len(whole)):
            last.path.write_bytes(whole[:size] + fill * (len(whole) - size))
            got = read(directory)
            assert got == records_of(0, len(got)), "never a wrong one"
            least = last.first_seq + sum(end <= size for end in ends.values())
            assert len(got) >= least
            assert len(got) == least or fill, "zeros may be what was there"
            writer = open_writer(directory)
            assert writer.next_seq == len(got)
            writer.append_many(records_of(len(got), 14))
            writer.close()
            assert last.path.read_bytes() == whole


@pytest.mark.parametrize("compress", [False, pytest.param(True, marks=needs_zstd)])
def test_a_file_cut_at_any_byte_is_never_silence_or_a_wrong_record(compress):
    """No crash cuts a sealed segment or a header: somebody did, and it is said."""
    with memory_directory() as directory:
        filled(directory, 0, 14, compress=compress)
        found = segments(directory)
        for segment in found:
            whole = segment.path.read_bytes()
            for size in range(len(whole) if segment.is_sealed else HEADER):
                segment.path.write_bytes(whole[:size])
                seen, said = read_to_damage(directory)
                assert seen == records_of(0, len(seen))
                assert segment.path.name in said or seen == records_of(0, 14)
                assert segment.path in {finding.path for finding in findings(directory)}
            segment.path.write_bytes(whole)
        assert read(directory) == records_of(0, 14)


def read_to_damage(directory):
    """What is read, and what is said then; "" if nothing is."""
    seen = []
    try:
        seen.extend(read_journal(directory))
    except WireError as error:
        return seen, str(error)
    return seen, ""


# -- kills


def rounds_survived(directory, *, rounds, seed):
    command = [sys.executable, str(KILLER), str(directory), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_a_killed_writer_reported_durable_is_there(tmp_path, seed):
    survived = rounds_survived(tmp_path / "ring-0", rounds=60, seed=seed)
    assert survived["rounds_with_records"] > 20
    assert survived["records"] > 100


@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_what_a_writer_killed_thousands_of_times_reported_durable_is_there(seed):
    with memory_directory() as directory:
        survived = rounds_survived(directory / "ring-0", rounds=2500, seed=seed)
        assert survived["rounds_with_records"] > 2000
