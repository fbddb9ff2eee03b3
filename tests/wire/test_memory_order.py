"""The publish protocol on a machine that reorders, checked over every interleaving.

A model, not the code: a ring of a few places, a writer whose stores sit in a buffer and become
visible later, a reader whose loads may happen early. On x86 stores become visible in order; on ARM
in any order. The model shows why the checksum is part of the protocol and no option: without it one
side that reorders is enough for a wrong record; with it no fence is needed. Fences do it as well,
but only on both sides, and a slim system has none to offer. A batch, several records that become
visible by the commit word of the first, is no different.
"""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is explored: the ring's size, the traffic, and what is promised."""

    places: int
    messages: int
    stores_in_order: bool
    loads_in_order: bool
    checks: bool
    writer_fences: bool = False
    reader_fences: bool = False
    batch: int = 1
    """Messages pushed at once; their number is a multiple of it, and so is the ring's size."""

    def stores(self, first):
        """A push, in program order: `commit` makes records, `tail` announces them."""
        fence = ((FENCE, None),) if self.writer_fences else ()
        at = first % self.places
        return (
            *(store for seq in range(first, first + self.batch) for store in self.copy(seq, first)),
            *fence,
            (("commit", at), "committed"),
            *fence,
            ("tail", first + self.batch),
        )

    def copy(self, seq, first):
        """One record of a push; the first one's commit word says `not written`."""
        at = seq % self.places
        return (
            (("commit", at), None if seq == first else "committed"),
            (("seq", at), seq),
            (("checksum", at), checksum(seq, f"payload {seq}")),
            (("payload", at), f"payload {seq}"),
        )

    def loads(self, seq):
        at = seq % self.places
        return ("tail", *((name, at) for name in ("commit", "checksum", "seq", "payload")))

    def accepts(self, got, seq):
        at = seq % self.places
        if got["tail"] <= seq or got["commit", at] is None or got["seq", at] != seq:
            return False
        return not self.checks or got["checksum", at] == checksum(seq, got["payload", at])


FENCE = "fence"


def checksum(seq, payload):
    return ("checksum of", seq, payload)


def explore(machine):
    """Visit every reachable state; returns (the first wrong delivery, whether all can arrive)."""
    memory = {"tail": 0, "head": 0}
    for place in range(machine.places):
        memory |= dict.fromkeys((name, place) for name in ("commit", "checksum", "seq", "payload"))
    start = (frozenset(memory.items()), (), 0, 0, frozenset())
    pending, seen, all_arrive = [start], {start}, False
    while pending:
        for successor in steps(machine, pending.pop()):
            if isinstance(successor, str):
                return successor, False
            all_arrive |= successor[3] == machine.messages
            if successor not in seen:
                seen.add(successor)
                pending.append(successor)
    return None, all_arrive


def steps(machine, state):
    yield from drains(machine, state)
    yield from writes(machine, state)
    yield from reads(machine, state)


def drains(machine, state):
    """A buffered store becomes visible; stores to one address never overtake each other."""
    memory, buffer, num_stored, num_read, got = state
    for i, (address, value) in enumerate(buffer[:1] if machine.stores_in_order else buffer):
        if any(earlier in (address, FENCE) for earlier, _ in buffer[:i]):
            continue
        if address == FENCE:
            if i == 0:
                yield memory, buffer[1:], num_stored, num_read, got
        else:
            now = frozenset((dict(memory) | {address: value}).items())
            yield now, buffer[:i] + buffer[i + 1 :], num_stored, num_read, got


def writes(machine, state):
    memory, buffer, num_stored, num_read, got = state
    pushes, done = divmod(num_stored, len(machine.stores(0)))
    first = pushes * machine.batch
    is_full = done == 0 and first + machine.batch - dict(memory)["head"] > machine.places
    if first < machine.messages and not is_full:
        yield memory, (*buffer, machine.stores(first)[done]), num_stored + 1, num_read, got


def reads(machine, state):
    memory, buffer, num_stored, num_read, got = state
    if num_read == machine.messages:
        return
    known, visible = dict(got), dict(memory)
    missing = [address for address in machine.loads(num_read) if address not in known]
    is_ordered = machine.loads_in_order or (machine.reader_fences and "tail" in missing)
    for address in missing[:1] if is_ordered else missing:
        loaded = frozenset((known | {address: visible[address]}).items())
        yield memory, buffer, num_stored, num_read, loaded
    if missing:
        return
    if not machine.accepts(known, num_read):
        yield memory, buffer, num_stored, num_read, frozenset()
        return
    payload = known["payload", num_read % machine.places]
    if payload != f"payload {num_read}":
        yield f"{payload} delivered as {num_read}"
        return
    # The head is stored behind a branch on what was loaded: no machine hoists that store.
    freed = frozenset((visible | {"head": num_read + 1}).items())
    yield freed, buffer, num_stored, num_read + 1, frozenset()


def machine(stores, loads, checks, places=1, messages=3, **options):
    return Machine(
        places=places,
        messages=messages,
        stores_in_order=stores,
        loads_in_order=loads,
        checks=checks,
        **options,
    )


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("places", [1, 2])
def test_a_machine_that_keeps_order_needs_no_checksum(checks, places):
    assert explore(machine(True, True, checks, places=places)) == (None, True)


@pytest.mark.parametrize(("stores", "loads"), [(False, True), (True, False)])
@pytest.mark.parametrize("places", [1, 2])
def test_without_the_checksum_one_reordered_side_is_enough_for_a_wrong_record(
    stores, loads, places
):
    wrong, _ = explore(machine(stores, loads, checks=False, places=places))
    assert wrong is not None


REORDERINGS = [(False, True), (True, False), (False, False)]


@pytest.mark.parametrize(("stores", "loads"), REORDERINGS)
def test_with_the_checksum_no_reordering_delivers_a_wrong_record(stores, loads):
    assert explore(machine(stores, loads, checks=True)) == (None, True)


@pytest.mark.parametrize("places", [1, 2])
def test_fences_on_both_sides_need_no_checksum(places):
    fenced = machine(
        False, False, checks=False, places=places, writer_fences=True, reader_fences=True
    )
    assert explore(fenced) == (None, True)


@pytest.mark.parametrize("fences", ["writer_fences", "reader_fences"])
def test_a_fence_on_one_side_is_not_enough(fences):
    wrong, _ = explore(machine(False, False, checks=False, places=2, **{fences: True}))
    assert wrong is not None


def test_a_batch_needs_the_checksum_where_a_single_record_does():
    kept = machine(True, True, checks=False, places=2, messages=4, batch=2)
    assert explore(kept) == (None, True)
    wrong, _ = explore(machine(False, True, checks=False, places=2, messages=4, batch=2))
    assert wrong is not None


def test_with_the_checksum_no_reordering_delivers_a_wrong_record_of_a_batch():
    assert explore(machine(False, True, checks=True, places=2, messages=2, batch=2)) == (
        None,
        True,
    )


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("stores", "loads"), [(True, False), (False, True)])
def test_with_the_checksum_batches_that_lap_are_no_worse(stores, loads):
    batched = machine(stores, loads, checks=True, places=2, messages=4, batch=2)
    assert explore(batched) == (None, True)


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("stores", "loads", "messages"), [(False, True, 3), (True, False, 3), (False, False, 2)]
)
def test_with_the_checksum_two_places_are_no_worse(stores, loads, messages):
    checked = machine(stores, loads, checks=True, places=2, messages=messages)
    assert explore(checked) == (None, True)
