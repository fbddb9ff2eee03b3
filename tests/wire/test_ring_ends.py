"""Who may hold an end of the ring, what the other end learns of it, and how they wait."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from engine.wire import Liveness, RingReader, RingState, RingWriter, WireError
from engine.wire.process import ProcessIdentity
from engine.wire.ring import claim, layout
from engine.wire.ring.memory import RingMemory

RUN_ID = b"r" * 16
CAPACITY = 1 << 16


def open_writer(path):
    return RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)


def poke(path, word, value):
    with path.open("r+b") as file:
        file.seek(8 * word)
        file.write(value.to_bytes(8, "little"))


def run_python(source, *arguments):
    """A child process whose standard input is a pipe, waiting in `source`."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
    import sys
    from pathlib import Path
    from engine.wire import RingReader, RingWriter
    end = sys.argv[2]
    if end == "writer":
        held = RingWriter.open(Path(sys.argv[1]), capacity=1 << 16, run_id=b"r" * 16)
        held.try_push(b"from the first")
    else:
        held = RingReader.open(Path(sys.argv[1]), wait_s=10)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["writer", "reader"])
def test_a_second_live_holder_is_refused_and_a_killed_one_succeeded(tmp_path, end):
    path = tmp_path / "ring"
    open_writer(path).close()
    opener = open_writer if end == "writer" else lambda path: RingReader.open(path, wait_s=0)
    with run_python(HOLD, path, end) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(WireError, match=rf"live {end}, pid {first.pid}; stop it"):
            opener(path)
        first.kill()
        first.wait()
        assert opener(path).next_seq == (1 if end == "writer" else 0)


def test_a_pid_that_was_reused_or_is_of_another_boot_holds_nothing(tmp_path):
    path = tmp_path / "ring"
    open_writer(path).try_push(b"one")
    with pytest.raises(WireError, match=f"pid {os.getpid()}"):
        open_writer(path)
    poke(path, layout.WRITER_CLAIM + 1, 12345)
    writer = open_writer(path)
    assert writer.next_seq == 1
    poke(path, layout.WRITER_CLAIM + 2, 12345)
    assert open_writer(path).next_seq == 1


def test_a_writer_that_was_replaced_refuses_to_write(tmp_path):
    path = tmp_path / "ring"
    old = open_writer(path)
    old.try_push(b"mine")
    poke(path, layout.WRITER_CLAIM + 1, 12345)  # as if in a pid namespace we cannot see
    new = open_writer(path)
    with pytest.raises(
        WireError, match=r"taken over by another writer \(this one was epoch 1, it is at 2"
    ):
        old.try_push(b"too late")
    with pytest.raises(WireError, match="taken over"):
        old.set_state(RingState.CLOSED)
    old.close()
    reader = RingReader.open(path, wait_s=0)
    assert reader.state is RingState.OPEN
    assert new.try_push(b"new") == 1
    assert [reader.pop(timeout_s=0).payload for _ in range(2)] == [b"mine", b"new"]


def test_a_record_of_a_replaced_writer_is_not_delivered(tmp_path):
    path = tmp_path / "ring"
    old = open_writer(path)
    poke(path, layout.WRITER_CLAIM + 1, 12345)
    open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    taken = RingMemory(path).load(layout.WRITER_CLAIM + 3)
    poke(path, layout.WRITER_CLAIM + 3, old._token)  # it looked just before the takeover
    assert old.try_push(b"stale") == 0
    poke(path, layout.WRITER_CLAIM + 3, taken)
    with pytest.raises(WireError, match="record seq 0"):
        reader.pop(timeout_s=0)


def test_a_closed_ring_is_drained_and_then_ends_at_once(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    writer.try_push(b"last")
    writer.set_state(RingState.DRAINING, "budget spent")
    assert (reader.state, reader.reason) == (RingState.DRAINING, "budget spent")
    writer.close(RingState.CLOSED, "done " * 300)
    assert reader.pop(timeout_s=0).payload == b"last"
    assert reader.pop(timeout_s=3600) is None
    assert reader.state is RingState.CLOSED
    assert reader.reason.startswith("done done")
    assert reader.writer_alive() is Liveness.DEAD
    reopened = open_writer(path)
    assert (reader.state, reader.reason) == (RingState.OPEN, "")
    assert reopened.next_seq == 1


def test_liveness_is_told_from_process_and_heartbeat(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    assert writer.reader_alive() is Liveness.NEVER
    reader = RingReader.open(path, wait_s=0)
    assert (writer.reader_alive(), reader.writer_alive()) == (Liveness.ALIVE, Liveness.ALIVE)
    poke(path, layout.WRITER_HEARTBEAT, 1)
    memory = RingMemory(path)
    assert claim.liveness(memory, claim.WRITER, hung_after_s=0) is Liveness.HUNG
    writer.heartbeat()
    assert claim.liveness(memory, claim.WRITER, hung_after_s=3600) is Liveness.ALIVE
    reader.close()
    assert writer.reader_alive() is Liveness.DEAD


def test_a_zombie_is_dead(tmp_path):
    child = run_python("import sys; sys.stdin.read()")
    identity = ProcessIdentity.of(child.pid)
    assert identity.is_alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    assert not identity.is_alive()
    child.communicate()
    assert not identity.is_alive()


def test_a_forked_child_that_touches_the_ring_dies(tmp_path):
    source = """
        import os, sys
        from pathlib import Path
        from engine.wire import RingWriter
        writer = RingWriter.open(Path(sys.argv[1]), capacity=1 << 16, run_id=b"r" * 16)
        child = os.fork()
        if child == 0:
            writer.try_push(b"from the guest")
            os._exit(0)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), writer.try_push(b"from the host"))
        fds = [int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]
        ring = [fd for fd in fds if os.path.samestat(os.fstat(fd), os.stat(sys.argv[1]))]
        print(any(os.get_inheritable(fd) for fd in ring))
    """
    out, _ = run_python(source, tmp_path / "the-ring").communicate()
    assert out.split() == [str(int(signal.SIGSEGV)), "0", "False"]


def test_a_sleeping_reader_is_woken_by_a_push(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    later = threading.Timer(0.2, lambda: writer.try_push(b"hello"))
    later.start()
    record = reader.pop(timeout_s=60)
    later.join()
    assert record.payload == b"hello"
    assert reader.pop(timeout_s=0.01) is None


def test_a_reader_waits_for_the_ring_to_be_made(tmp_path):
    path = tmp_path / "queue" / "ring"
    with pytest.raises(WireError, match="did not appear within 0 s"):
        RingReader.open(path, wait_s=0)
    later = threading.Timer(0.2, lambda: open_writer(path).try_push(b"hello"))
    later.start()
    reader = RingReader.open(path, wait_s=60)
    assert reader.pop(timeout_s=60).payload == b"hello"
    later.join()
    assert reader.run_id == RUN_ID


def test_a_full_ring_refuses_and_takes_again_after_a_commit(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    payload = bytes(CAPACITY // 8)
    while writer.try_push(payload) is not None:
        pass
    pushed = writer.next_seq
    assert pushed == CAPACITY // layout.record_size(len(payload))
    assert reader.pop(timeout_s=0).seq == 0
    assert writer.try_push(payload) is None, "popped is not committed"
    reader.commit(1)
    assert writer.try_push(payload) == pushed


def test_a_payload_above_an_eighth_of_the_ring_is_an_error_even_when_full(tmp_path):
    writer = open_writer(tmp_path / "ring")
    while writer.try_push(bytes(CAPACITY // 8)) is not None:
        pass
    with pytest.raises(WireError, match=r"8192 bytes \(an eighth of the ring\), got 8193"):
        writer.try_push(bytes(CAPACITY // 8 + 1))


def test_commits_and_seeks_outside_the_ring_are_refused(tmp_path):
    path = tmp_path / "ring"
    writer = open_writer(path)
    reader = RingReader.open(path, wait_s=0)
    for _ in range(4):
        writer.try_push(b"x", schema=9)
    assert reader.pop(timeout_s=0).schema == 9
    with pytest.raises(WireError, match="cannot commit up to seq 2: popped up to 1"):
        reader.commit(2)
    reader.commit(1)
    with pytest.raises(WireError, match="cannot seek to seq 0: the ring begins at 1"):
        reader.seek(0)
    reader.seek(3)
    assert reader.pop(timeout_s=0).seq == 3
    reader.seek(6)  # two records are still to come: they are skipped when they do
    assert [writer.try_push(bytes([n])) for n in range(3)] == [4, 5, 6]
    assert reader.pop(timeout_s=0).seq == 6


def test_a_word_is_never_seen_torn(tmp_path):
    """Two processes hammer one word; a reader must see one of the two values, whole."""
    path = tmp_path / "ring"
    open_writer(path).close()
    source = """
        import sys
        from pathlib import Path
        from engine.wire.ring.memory import RingMemory
        memory = RingMemory(Path(sys.argv[1]))
        print("go", flush=True)
        while True:
            memory.store(100, 0)
            memory.store(100, 2**64 - 1)
    """
    memory = RingMemory(path)
    with run_python(source, path) as child:
        child.stdout.readline()
        seen, loads = set(), 0
        while len(seen) < 2 or loads < 200_000:
            seen.add(memory.load(100))
            loads += 1
        child.kill()
    assert seen == {0, 2**64 - 1}


@pytest.mark.parametrize("end", ["writer", "reader"])
def test_an_end_whose_file_was_deleted_or_replaced_is_told_at_its_next_heartbeat(tmp_path, end):
    """Otherwise a successor's ring and this one would wait for each other for ever."""
    path = tmp_path / "ring"
    writer = open_writer(path)
    held = writer if end == "writer" else RingReader.open(path, wait_s=0)
    held.heartbeat()
    path.unlink()
    with pytest.raises(WireError, match=r"ring was deleted while .*start engine and trainer again"):
        held.heartbeat()
    successor = open_writer(path)
    with pytest.raises(WireError, match="ring was replaced while"):
        held.heartbeat()
    successor.heartbeat()
