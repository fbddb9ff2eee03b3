"""A look at a ring tells what is so, whatever its two ends do meanwhile, and disturbs neither."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from engine.wire import Liveness, Record, RingReader, RingState, RingWriter, WireError
from engine.wire.findings import Finding
from engine.wire.ring import layout
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.fsck import check_ring
from engine.wire.ring.view import RingView
from engine.wire.ring.walk import Overtaken
from tests.wire.ring_images import NUM_CONSUMED, NUM_RECORDS, RUN_ID, make_image, payload_of

CAPACITY = 1 << 16
PATIENCE_S = 60

END = """
    import itertools, sys, time
    from pathlib import Path
    from engine.wire import RingReader, RingWriter
    end, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    if end == "writer":
        held = RingWriter.open(path, capacity=1 << 16, run_id=b"r" * 16)
    else:
        held = RingReader.open(path, wait_s=60)
    print("held", flush=True)
    stop = time.monotonic() + seconds
    for turn in itertools.count():
        if time.monotonic() > stop:
            break
        if end == "reader":
            records = held.pop_many(1 + turn % 40, timeout_s=0.01)
            if records and turn % 3 == 0:
                held.commit(records[-1].seq + 1)
        elif turn % 2:
            size = turn * 131 % 5000
            held.try_push(size.to_bytes(2, "little") * (size // 2))
        else:
            held.try_push_many([bytes([turn % 256]) * (turn % 400)] * (turn % 50))
    if seconds == 0:
        sys.stdin.read()
"""


def start_end(end, path, *, seconds=0):
    source = textwrap.dedent(END)
    process = subprocess.Popen(
        [sys.executable, "-c", source, end, str(path), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    return process


def end_of(process):
    process.kill()
    process.communicate()


def test_a_look_tells_what_the_header_says(tmp_path):
    path = tmp_path / "ring.bin"
    image = make_image(path)
    with RingView.open(path) as view:
        stat = view.stat()
        walk = view.walk()
        records = list(walk)
    assert (stat.is_ring, stat.is_settled, stat.layout) == (True, True, layout.LAYOUT_VERSION)
    assert (stat.capacity, stat.run_id, stat.epoch) == (4096, RUN_ID, 2)
    assert (stat.committed.seq, stat.read_seq) == (NUM_CONSUMED, NUM_CONSUMED + 2)
    assert (stat.next_seq, stat.num_waiting) == (NUM_RECORDS, NUM_RECORDS - NUM_CONSUMED - 2)
    live = sum(entry.size for entry in (*image.records, image.padding))
    assert (stat.used_bytes, stat.free_bytes) == (live, 4096 - live)
    assert (stat.state, stat.writer.pid, stat.reader.pid) == (RingState.CLOSED, 0, 0)
    assert (stat.writer.liveness, stat.reader.liveness) == (Liveness.DEAD, Liveness.DEAD)
    assert [record.payload for record in records] == [
        payload_of(seq) for seq in range(NUM_CONSUMED, NUM_RECORDS)
    ]
    assert walk.place == Cursor(stat.tail, stat.next_seq)


def test_a_look_changes_no_byte_and_takes_no_claim(tmp_path):
    path = tmp_path / "ring.bin"
    make_image(path)
    before = path.read_bytes()
    path.chmod(0o400)
    with RingView.open(path) as view:
        list(view.walk())
        assert list(check_ring(path)) == []
        path.chmod(0o600)
        writer = RingWriter.open(path, capacity=4096, run_id=RUN_ID)
        assert view.stat().writer.pid == os.getpid()
        writer.close()
    assert layout.HEADER_BYTES + 4096 == len(before) == path.stat().st_size
    assert path.read_bytes()[layout.HEADER_BYTES :] == before[layout.HEADER_BYTES :]


def test_ends_are_alive_suspended_dead_or_never_were(tmp_path):
    path = tmp_path / "ring.bin"
    with start_end("writer", path) as process:
        try:
            with RingView.open(path) as view:
                stat = view.stat()
                assert stat.reader.liveness is Liveness.NEVER
                assert stat.reader.heartbeat_age_s is None
                writer = stat.writer
                assert (writer.pid, writer.liveness) == (process.pid, Liveness.ALIVE)
                assert 0 <= writer.heartbeat_age_s < PATIENCE_S
                assert writer.start_ticks > 0
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED)
                hung = view.stat().writer
                assert (hung.liveness, hung.is_suspended) == (Liveness.HUNG, True)
                process.send_signal(signal.SIGCONT)
                os.waitid(os.P_PID, process.pid, os.WCONTINUED)
                assert view.stat().writer.liveness is Liveness.ALIVE
                process.kill()
                process.wait()
                dead = view.stat().writer
                assert (dead.liveness, dead.pid) == (Liveness.DEAD, process.pid)
        finally:
            end_of(process)


@pytest.mark.parametrize("killed", [False, True])
def test_two_hammering_processes_are_watched_without_an_exception_or_a_false_finding(
    tmp_path, killed
):
    path = tmp_path / "ring.bin"
    seconds = 1000 if killed else 1.5
    writer = start_end("writer", path, seconds=seconds)
    reader = start_end("reader", path, seconds=seconds)
    stop = time.monotonic() + 1.5
    looks, given, place, follower = 0, 0, None, RingView.open(path)
    try:
        while time.monotonic() < stop or looks < 20:
            looks += 1
            stat = follower.stat()
            assert stat.is_settled
            assert 0 <= stat.used_bytes <= CAPACITY
            assert stat.committed.seq <= stat.read_seq <= stat.next_seq
            found = list(check_ring(path, run_id=RUN_ID))
            assert found == [], [str(each) for each in found]
            walk = follower.walk(start=place)
            seq = None if place is None else place.seq
            for each in walk:
                assert not isinstance(each, Finding), str(each)
                first = each.seq if isinstance(each, Record) else each.first_seq
                assert seq in (None, first), "a record was left out in silence"
                seq = each.end_seq if isinstance(each, Overtaken) else each.seq + 1
                given += isinstance(each, Record)
            place = walk.place
    finally:
        for process in (reader, writer):
            end_of(process)
        follower.close()
    assert given > 0
    assert list(check_ring(path, run_id=RUN_ID)) == []


def test_a_walk_that_is_overtaken_says_so_and_goes_on(tmp_path):
    path = tmp_path / "ring.bin"
    writer = RingWriter.open(path, capacity=4096, run_id=RUN_ID)
    reader = RingReader.open(path, wait_s=0)
    for seq in range(6):
        assert writer.try_push(bytes([seq]) * 500) == seq
    with RingView.open(path) as view:
        steps = iter(view.walk())
        assert next(steps).seq == 0
        reader.pop_many(5, timeout_s=0)
        reader.commit(5)
        for seq in range(6, 10):
            assert writer.try_push(bytes([seq]) * 500) == seq
        rest = list(steps)
        assert rest[-1].seq == 5
        gaps = [each for each in rest if isinstance(each, Overtaken)]
        assert [gap.end_seq for gap in gaps] == [5]
        seen = [0, *(each.seq for each in rest if isinstance(each, Record))]
        assert seen == [s for s in range(6) if s not in range(gaps[0].first_seq, 5)]
        assert [each.seq for each in view.walk()] == list(range(5, 10))


def test_a_walk_goes_on_where_another_ended(tmp_path):
    path = tmp_path / "ring.bin"
    writer = RingWriter.open(path, capacity=4096, run_id=RUN_ID)
    with RingView.open(path) as view:
        place, seen = None, []
        for seq in range(7):
            writer.try_push(bytes(seq * 9))
            walk = view.walk(start=place)
            seen += [record.seq for record in walk]
            place = walk.place
        assert seen == list(range(7))
        assert list(view.walk(start=place)) == []


def test_what_cannot_be_looked_at_is_refused_at_once_in_one_sentence(tmp_path):
    with pytest.raises(WireError, match=r"expected a ring at .*; has `engine serve`"):
        RingView.open(tmp_path / "none")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(WireError, match="is no file"):
            RingView.open(path)
