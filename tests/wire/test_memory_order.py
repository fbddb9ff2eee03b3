"""The publish protocol on a machine that reorders, checked over every interleaving.

A model, not the code: a ring of two places, a writer whose stores sit in a buffer and become visible
later, a reader whose loads may happen early. On x86 stores become visible in order; on ARM in any
order. The model shows why the checksum is part of the protocol and no option: without it a reader
on ARM delivers a wrong record even when the writer has fences; with it none is needed.
"""

import pytest

PLACES = 2


def checksum(seq, payload):
    return ("checksum of", seq, payload)


def stores_of(seq):
    """What a push stores, in program order; `commit` is what makes a record, `tail` announces it."""
    at = seq % PLACES
    return (
        (("commit", at), None),
        (("seq", at), seq),
        (("checksum", at), checksum(seq, f"payload {seq}")),
        (("payload", at), f"payload {seq}"),
        (("commit", at), "committed"),
        ("tail", seq + 1),
    )


def loads_of(seq):
    at = seq % PLACES
    return ("tail", ("commit", at), ("checksum", at), ("seq", at), ("payload", at))


def visible_next(buffer, *, in_order):
    """Which buffered stores may become visible now: one address never reorders with itself."""
    for i, (address, _) in enumerate(buffer):
        if in_order and i:
            return
        if all(earlier != address for earlier, _ in buffer[:i]):
            yield i


def is_accepted(got, seq, *, checks):
    at = seq % PLACES
    if got["tail"] <= seq or got["commit", at] is None or got["seq", at] != seq:
        return False
    return not checks or got["checksum", at] == checksum(seq, got["payload", at])


def explore(*, stores_in_order, loads_in_order, checks, messages=3):
    """All states reachable; returns (the first wrong payload or None, all were delivered)."""
    memory = {("commit", place): None for place in range(PLACES)} | {"tail": 0, "head": 0}
    for place in range(PLACES):
        memory |= {("seq", place): None, ("checksum", place): None, ("payload", place): None}
    start = (frozenset(memory.items()), (), 0, 0, frozenset())
    pending, seen, delivered_all = [start], {start}, False
    while pending:
        state = pending.pop()
        for successor in steps(state, stores_in_order, loads_in_order, checks, messages):
            if isinstance(successor, str):
                return successor, False
            delivered_all |= successor[3] == messages
            if successor not in seen:
                seen.add(successor)
                pending.append(successor)
    return None, delivered_all


def steps(state, stores_in_order, loads_in_order, checks, messages):
    yield from drains(state, stores_in_order)
    yield from writes(state, messages)
    yield from reads(state, loads_in_order, checks, messages)


def drains(state, in_order):
    memory, buffer, num_stored, num_read, got = state
    for i in visible_next(buffer, in_order=in_order):
        address, value = buffer[i]
        now = frozenset((dict(memory) | {address: value}).items())
        yield now, buffer[:i] + buffer[i + 1 :], num_stored, num_read, got


def writes(state, messages):
    memory, buffer, num_stored, num_read, got = state
    seq, done = divmod(num_stored, len(stores_of(0)))
    if seq == messages or (done == 0 and seq - dict(memory)["head"] >= PLACES):
        return
    yield memory, (*buffer, stores_of(seq)[done]), num_stored + 1, num_read, got


def reads(state, in_order, checks, messages):
    memory, buffer, num_stored, num_read, got = state
    if num_read == messages:
        return
    known, visible = dict(got), dict(memory)
    missing = [address for address in loads_of(num_read) if address not in known]
    for address in missing[:1] if in_order else missing:
        loaded = frozenset((known | {address: visible[address]}).items())
        yield memory, buffer, num_stored, num_read, loaded
    if missing:
        return
    if not is_accepted(known, num_read, checks=checks):
        yield memory, buffer, num_stored, num_read, frozenset()
        return
    payload = known["payload", num_read % PLACES]
    if payload != f"payload {num_read}":
        yield f"{payload} delivered as {num_read}"
        return
    # The head is stored behind a branch on what was loaded: no machine hoists that store.
    freed = frozenset((visible | {"head": num_read + 1}).items())
    yield freed, buffer, num_stored, num_read + 1, frozenset()


@pytest.mark.parametrize("checks", [True, False])
def test_a_machine_that_keeps_order_needs_no_checksum(checks):
    assert explore(stores_in_order=True, loads_in_order=True, checks=checks) == (None, True)


@pytest.mark.parametrize(("stores", "loads"), [(False, True), (True, False)])
def test_without_the_checksum_one_reordered_side_is_enough_for_a_wrong_record(stores, loads):
    wrong, _ = explore(stores_in_order=stores, loads_in_order=loads, checks=False)
    assert wrong is not None


@pytest.mark.parametrize("stores", [True, False])
@pytest.mark.parametrize("loads", [True, False])
def test_with_the_checksum_no_reordering_delivers_a_wrong_record(stores, loads):
    assert explore(stores_in_order=stores, loads_in_order=loads, checks=True, messages=2) == (
        None,
        True,
    )


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_with_the_checksum_no_reordering_goes_wrong_when_places_are_used_again():
    assert explore(stores_in_order=False, loads_in_order=False, checks=True) == (None, True)
