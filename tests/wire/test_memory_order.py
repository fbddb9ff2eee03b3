"""The publish protocol on a machine that reorders, checked over every interleaving.

A model, not the code: a ring of a few places, a writer whose stores sit in a buffer and become
visible later, a reader whose loads may happen early. On x86 stores become visible in order; on ARM
in any order. The model shows why the checksum is part of the protocol and no option: without it one
side that reorders is enough for a wrong record; with it no fence is needed.
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

    def stores(self, seq):
        """A push, in program order: `commit` makes a record, `tail` announces it."""
        at = seq % self.places
        return (
            (("commit", at), None),
            (("seq", at), seq),
            (("checksum", at), checksum(seq, f"payload {seq}")),
            (("payload", at), f"payload {seq}"),
            (("commit", at), "committed"),
            ("tail", seq + 1),
        )

    def loads(self, seq):
        at = seq % self.places
        return ("tail", *((name, at) for name in ("commit", "checksum", "seq", "payload")))

    def accepts(self, got, seq):
        at = seq % self.places
        if got["tail"] <= seq or got["commit", at] is None or got["seq", at] != seq:
            return False
        return not self.checks or got["checksum", at] == checksum(seq, got["payload", at])


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
        if all(earlier != address for earlier, _ in buffer[:i]):
            now = frozenset((dict(memory) | {address: value}).items())
            yield now, buffer[:i] + buffer[i + 1 :], num_stored, num_read, got


def writes(machine, state):
    memory, buffer, num_stored, num_read, got = state
    seq, done = divmod(num_stored, len(machine.stores(0)))
    is_full = done == 0 and seq - dict(memory)["head"] >= machine.places
    if seq < machine.messages and not is_full:
        yield memory, (*buffer, machine.stores(seq)[done]), num_stored + 1, num_read, got


def reads(machine, state):
    memory, buffer, num_stored, num_read, got = state
    if num_read == machine.messages:
        return
    known, visible = dict(got), dict(memory)
    missing = [address for address in machine.loads(num_read) if address not in known]
    for address in missing[:1] if machine.loads_in_order else missing:
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


def machine(stores, loads, checks, places=1, messages=3):
    return Machine(
        places=places,
        messages=messages,
        stores_in_order=stores,
        loads_in_order=loads,
        checks=checks,
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


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("stores", "loads", "messages"), [(False, True, 3), (True, False, 3), (False, False, 2)]
)
def test_with_the_checksum_two_places_are_no_worse(stores, loads, messages):
    checked = machine(stores, loads, checks=True, places=2, messages=messages)
    assert explore(checked) == (None, True)
