"""Several rings are read as one: each in its own order, none starved, all of it."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.wire import RingReader, RingState, RingWriter
from engine.wire.fanin import FanIn
from engine.wire.ring import futex, layout, waiting

RUN_ID = b"r" * 16
CAPACITY = 1 << 20
QUANTUM = 1 << 12


class Ring:
    """A ring with both its ends here; a stream."""

    def __init__(self, directory, name):
        self.name = name
        path = directory / f"{name}.bin"
        self.writer = RingWriter.open(path, capacity=CAPACITY, run_id=RUN_ID)
        self.reader = RingReader.open(path, wait_s=0)
        self.memory = self.reader.memory

    @property
    def is_closed(self):
        return self.reader.state is RingState.CLOSED

    def pop(self, *, timeout_s):
        return self.reader.pop(timeout_s=timeout_s)


def fan_in(rings):
    joined = FanIn(quantum_bytes=QUANTUM)
    for ring in rings:
        joined.add(ring)
    return joined


def drained(joined):
    found = []
    while (popped := joined.pop(timeout_s=0)) is not None:
        found.append(popped)
    return found


@pytest.fixture(scope="module")
def rings(tmp_path_factory):
    return [Ring(tmp_path_factory.mktemp("queue"), f"ring-{k}") for k in range(3)]


@settings(deadline=None)
@given(
    sizes=st.lists(
        st.lists(st.sampled_from([0, 100, QUANTUM, 5 * QUANTUM]), max_size=25),
        min_size=3,
        max_size=3,
    )
)
def test_all_records_come_each_ring_in_its_order_and_no_ring_waits_for_long(rings, sizes):
    joined = fan_in(rings)
    pushed = {
        ring.name: [ring.writer.try_push(bytes(size)) for size in mine]
        for ring, mine in zip(rings, sizes, strict=True)
    }
    left = {ring.name: len(mine) for ring, mine in zip(rings, sizes, strict=True)}
    taken = dict.fromkeys(left, 0)
    found = {name: [] for name in left}
    for name, record in drained(joined):
        found[name].append(record.seq)
        taken[name] += layout.record_size(len(record.payload))
        left[name] -= 1
        waiting_still = [taken[other] for other, count in left.items() if count]
        if waiting_still and len(set(left.values()) - {0}) == len(left):
            spread = max(waiting_still) - min(waiting_still)
            assert spread <= 2 * QUANTUM + layout.record_size(5 * QUANTUM)
    assert found == pushed
    for ring in rings:
        ring.reader.commit(ring.reader.next_seq)


def test_a_busy_ring_does_not_starve_a_quiet_one(tmp_path):
    busy, quiet = Ring(tmp_path, "ring-0"), Ring(tmp_path, "ring-1")
    joined = fan_in([busy, quiet])
    for _ in range(200):
        busy.writer.try_push(bytes(1000))
    for _ in range(20):
        joined.pop(timeout_s=0)
    quiet.writer.try_push(b"here")
    names = [joined.pop(timeout_s=0)[0] for _ in range(10)]
    assert "ring-1" in names


def test_a_ring_in_debt_is_still_heard_when_the_others_are_silent(tmp_path):
    big, silent = Ring(tmp_path, "ring-0"), Ring(tmp_path, "ring-1")
    joined = fan_in([big, silent])
    for _ in range(2):
        big.writer.try_push(bytes(20 * QUANTUM))
    assert joined.pop(timeout_s=0)[1].seq == 0
    assert min(joined.credit.values()) < 0
    assert joined.pop(timeout_s=0)[1].seq == 1


def test_it_is_over_when_every_ring_is_closed_and_drained(tmp_path):
    rings = [Ring(tmp_path, f"ring-{k}") for k in range(2)]
    joined = fan_in(rings)
    rings[0].writer.try_push(b"last")
    rings[0].writer.set_state(RingState.CLOSED)
    assert joined.pop(timeout_s=60) == ("ring-0", (0, 1, 1, b"last"))
    assert joined.pop(timeout_s=0.01) is None
    rings[1].writer.set_state(RingState.CLOSED)
    assert joined.pop(timeout_s=3600) is None


def test_no_two_rings_have_one_name(tmp_path):
    ring = Ring(tmp_path, "ring-0")
    with pytest.raises(ValueError, match="ring-0 is read already"):
        fan_in([ring, ring])


@pytest.mark.parametrize("has_call", [True, False], ids=["kernel", "without"])
@pytest.mark.parametrize("num", [1, 2, 3])
def test_a_push_to_any_ring_ends_the_wait(tmp_path, monkeypatch, has_call, num):
    if not has_call:
        monkeypatch.setattr(futex, "SYS_FUTEX_WAITV", None)
    rings = [Ring(tmp_path, f"ring-{k}") for k in range(num)]
    joined = fan_in(rings)
    later = threading.Timer(0.2, lambda: rings[-1].writer.try_push(b"hello"))
    later.start()
    name, record = joined.pop(timeout_s=60)
    later.join()
    assert (name, record.payload) == (f"ring-{num - 1}", b"hello")
    assert joined.pop(timeout_s=0.01) is None


def test_the_kernel_waits_for_several_words_or_says_that_it_cannot(tmp_path):
    """A wait on a word that has moved already returns at once, whichever way it is made."""
    rings = [Ring(tmp_path, f"ring-{k}") for k in range(2)]
    memories = [ring.memory for ring in rings]
    tails = [memory.load(layout.TAIL) for memory in memories]
    rings[1].writer.try_push(b"x")
    for _ in range(100):
        waiting.wait_any(memories, tails=tails, timeout_s=3600)
