"""One ring with its journal: in order, once since the last seek, nothing forgotten too early."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.wire import RingReader, RingState, RingWriter, WireError
from engine.wire.journal import JournalWriter, Sync, read_journal, segments
from engine.wire.ring import layout
from engine.wire.stream import RecordStream
from tests.wire.journals import SHM, crash, record_of

RUN_ID = b"r" * 16
CAPACITY = 4096


def bury_reader(path):
    """Make the reader's end free: its pid now belongs to a process that started later."""
    with path.open("r+b") as file:
        file.seek(8 * (layout.READER_CLAIM + 1))
        file.write((1).to_bytes(8, "little"))


def open_stream(path, *, sync):
    journal = None
    if sync is not Sync.NONE:
        journal = JournalWriter.open(
            path.parent / "journal",
            run_id=RUN_ID,
            sync=sync,
            segment_bytes=900,
            keep_bytes=1800,
            interval_s=3600,
            interval_records=3,
        )
    return RecordStream(RingReader.open(path, wait_s=0), journal)


class StreamModel(RuleBasedStateMachine):
    """What comes out, beside a list of what went in and the number of the last checkpoint."""

    @initialize(sync=st.sampled_from(Sync))
    def found(self, sync):
        self.sync = sync
        self.directory = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.path = self.directory / "ring-0.bin"
        self.writer = RingWriter.open(self.path, capacity=CAPACITY, run_id=RUN_ID)
        self.stream = open_stream(self.path, sync=sync)
        self.pushed = self.checkpoint = self.popped = 0

    def teardown(self):
        if hasattr(self, "directory"):
            self.stream.close()
            shutil.rmtree(self.directory)

    @rule(num=st.integers(1, 12))
    def push(self, num):
        payloads = [record_of(self.pushed + n).payload for n in range(num)]
        self.pushed += self.writer.try_push_many(payloads)

    @rule(num=st.integers(1, 12))
    def pop(self, num):
        for _ in range(num):
            record = self.stream.pop(timeout_s=0)
            if record is None:
                assert self.popped >= self.pushed, "a new ring may lack what was popped"
                return
            expected = record_of(self.popped)
            assert (record.seq, record.payload) == (expected.seq, expected.payload)
            self.popped += 1

    @rule(data=st.data())
    def save(self, data):
        """A checkpoint of some of what was popped, and the stream is told."""
        self.checkpoint = data.draw(st.integers(self.checkpoint, self.popped))
        self.stream.covered(self.checkpoint, keep_from=self.checkpoint)

    @rule(data=st.data())
    def save_and_die(self, data):
        """Killed between the checkpoint and telling the stream."""
        self.checkpoint = data.draw(st.integers(self.checkpoint, self.popped))
        self.die()

    @rule()
    def die(self):
        if self.stream._journal is not None:
            crash(self.stream._journal)
        bury_reader(self.path)
        self.reopen()

    @rule()
    def stop(self):
        self.stream.close()
        self.reopen()

    @rule(sync=st.sampled_from(Sync), is_saved=st.booleans(), is_told=st.booleans())
    def change_the_journal(self, sync, is_saved, is_told):
        """Switched on, off, or to another sync, which is refused only if the journal is needed."""
        if is_saved:
            self.checkpoint = self.popped
            if is_told:
                self.stream.covered(self.checkpoint, keep_from=self.checkpoint)
        self.stream.close()
        is_needed = self.writer.committed_seq > self.checkpoint
        before, self.sync = self.sync, sync
        if sync is Sync.NONE and is_needed:
            with pytest.raises(WireError, match=r"set trainer\.journal back"):
                self.reopen()
            self.stream.close()
            self.sync = before
        self.reopen()

    @rule(data=st.data(), is_killed=st.booleans())
    def lose_the_ring(self, data, is_killed):
        """The engine makes a new one, and may know less than what had been committed."""
        if is_killed and self.stream._journal is not None:
            crash(self.stream._journal)
        elif not is_killed:
            self.stream.close()
        first = data.draw(st.integers(0, self.writer.committed_seq))
        self.path.unlink()
        self.writer = RingWriter.open(self.path, capacity=CAPACITY, run_id=RUN_ID, first_seq=first)
        self.pushed = first
        self.reopen()

    @rule()
    def tend(self):
        self.stream.tend()

    def reopen(self):
        self.stream = open_stream(self.path, sync=self.sync)
        self.stream.seek(self.checkpoint)
        self.popped = self.checkpoint

    @invariant()
    def what_a_checkpoint_may_ask_for_is_kept(self):
        if not hasattr(self, "stream"):
            return
        assert self.stream.next_seq == self.popped
        committed = self.writer.committed_seq
        if self.sync is Sync.NONE:
            assert committed <= self.checkpoint
        elif committed > self.checkpoint:
            journal = self.directory / "journal"
            kept = list(read_journal(journal, first_seq=self.checkpoint, end_seq=committed))
            assert [record.seq for record in kept] == list(range(self.checkpoint, committed))


TestStreamModel = StreamModel.TestCase
TestStreamModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.fuzz
class TestStreamModelAtLength(StreamModel.TestCase):
    settings = settings(max_examples=2000, stateful_step_count=120, deadline=None)


def opened(directory, sync):
    """A ring with its writer, and its stream."""
    path = directory / "ring-0.bin"
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    return path, writer, open_stream(path, sync=sync)


def popped(stream, num):
    """Numbers of the next records; there must be so many."""
    return [stream.pop(timeout_s=0).seq for _ in range(num)]


def fill(writer, num):
    for _ in range(num):
        assert writer.try_push(record_of(writer.next_seq, 100).payload) is not None


def test_a_journal_frees_the_ring_although_no_checkpoint_covers_anything(tmp_path):
    _, writer, stream = opened(tmp_path, Sync.EACH)
    for _ in range(20):  # many times what the ring holds
        fill(writer, 10)
        assert popped(stream, 10) == list(range(stream.next_seq - 10, stream.next_seq))
    assert writer.committed_seq == 200
    stream.seek(0)
    assert popped(stream, 200) == list(range(200))
    assert stream.pop(timeout_s=0) is None


def test_an_older_checkpoint_that_is_kept_can_be_gone_back_to_whatever_the_journal_may_weigh(
    tmp_path,
):
    _, writer, stream = opened(tmp_path, Sync.EACH)
    for _ in range(20):
        fill(writer, 10)
        for _ in range(10):
            stream.pop(timeout_s=0)
    stream.covered(180, keep_from=100)
    stream.seek(100)
    assert popped(stream, 100) == list(range(100, 200))
    stream.covered(200, keep_from=200)
    with pytest.raises(WireError, match="seq 100"):
        stream.seek(100)


def test_without_a_journal_an_old_checkpoint_is_told_what_is_gone(tmp_path):
    _, writer, stream = opened(tmp_path, Sync.NONE)
    fill(writer, 5)
    popped(stream, 5)
    stream.covered(4, keep_from=4)
    with pytest.raises(WireError, match=r"begins at record 4, .* goes on from 2 and there is no"):
        stream.seek(2)


def test_a_journal_switched_on_in_mid_run_begins_where_the_ring_does(tmp_path):
    path, writer, stream = opened(tmp_path, Sync.NONE)
    fill(writer, 8)
    popped(stream, 6)
    stream.covered(6, keep_from=6)
    stream.close()
    stream = open_stream(path, sync=Sync.EACH)
    stream.seek(6)
    assert popped(stream, 2) == [6, 7]
    assert [each.first_seq for each in segments(tmp_path / "journal")] == [6]
    stream.covered(8, keep_from=8)
    with pytest.raises(WireError, match="seq 5"):
        stream.seek(5)


def test_a_lost_ring_is_filled_again_and_the_journal_writes_nothing_twice(tmp_path):
    path, writer, stream = opened(tmp_path, Sync.EACH)
    fill(writer, 6)
    popped(stream, 6)
    stream.close()
    writer.close()
    path.unlink()
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID, first_seq=3)
    stream = open_stream(path, sync=Sync.EACH)
    stream.seek(2)  # the checkpoint; 2 is in the journal, 3 to 5 in both
    fill(writer, 5)
    assert popped(stream, 6) == [2, 3, 4, 5, 6, 7]
    assert [r.seq for r in read_journal(tmp_path / "journal")] == list(range(8))


def test_a_closed_ring_is_drained_from_journal_and_ring(tmp_path):
    _, writer, stream = opened(tmp_path, Sync.EACH)
    fill(writer, 4)
    popped(stream, 2)
    writer.close(RingState.CLOSED)
    stream.seek(0)
    assert stream.is_closed
    assert popped(stream, 4) == [0, 1, 2, 3]
    assert stream.pop(timeout_s=3600) is None


def test_a_journal_that_has_lost_its_end_is_noticed_before_a_record_is_passed_over(tmp_path):
    _, writer, stream = opened(tmp_path, Sync.EACH)
    fill(writer, 20)
    popped(stream, 20)
    kept, lost = segments(tmp_path / "journal")[-2:]
    lost.path.unlink()
    stream.seek(kept.first_seq)
    for _ in range(kept.first_seq, lost.first_seq):
        assert stream.pop(timeout_s=0) is not None
    with pytest.raises(WireError, match=f"ring-0 ends before record {lost.first_seq}"):
        stream.pop(timeout_s=0)


def stream_whose_checkpoint_is_ahead(path, *, saved):
    """Journaled up to 3, committed up to 4 without a journal, killed over a checkpoint at 7."""
    writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
    fill(writer, 9)
    for sync, until in ((Sync.EACH, 3), (Sync.NONE, 4)):
        stream = open_stream(path, sync=sync)
        while stream.next_seq < until:
            stream.pop(timeout_s=0)
        stream.covered(until, keep_from=until)
        stream.close()
    stream = open_stream(path, sync=Sync.EACH)
    stream.seek(saved)
    return writer, stream


def test_a_checkpoint_ahead_of_the_journal_is_gone_on_from_and_the_journal_catches_up(tmp_path):
    _, stream = stream_whose_checkpoint_is_ahead(tmp_path / "ring-0.bin", saved=7)
    assert popped(stream, 2) == [7, 8]
    kept = read_journal(tmp_path / "journal", first_seq=4)
    assert [record.seq for record in kept] == [4, 5, 6, 7, 8], "the ring still had 4 to 6"
    with pytest.raises(WireError, match="has no records seq 3 to 3"):
        stream.seek(3)


def test_a_checkpoint_ahead_of_ring_and_journal_is_gone_on_from(tmp_path):
    writer, stream = stream_whose_checkpoint_is_ahead(tmp_path / "ring-0.bin", saved=12)
    fill(writer, 6)
    assert popped(stream, 3) == [12, 13, 14]
    assert stream.pop(timeout_s=0) is None
    assert writer.committed_seq == 15


def test_a_lost_journal_is_told_by_seek_if_the_checkpoint_needs_it(tmp_path):
    path, writer, stream = opened(tmp_path, Sync.EACH)
    fill(writer, 4)
    popped(stream, 4)
    stream.close()
    shutil.rmtree(tmp_path / "journal")
    stream = open_stream(path, sync=Sync.EACH)
    with pytest.raises(WireError, match=r"ring-0 ends before record 2, the ring begins at 4; res"):
        stream.seek(2)
