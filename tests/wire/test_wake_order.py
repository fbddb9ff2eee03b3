"""Who may skip the wake: a model of the word that says `asleep`, over every interleaving.

The writer stores the tail and then loads the word; the reader stores the word and then has the
kernel compare the tail. On x86 a store waits in a buffer while later loads go ahead, so each side
needs a barrier between its two accesses: the writer's is a locked instruction, the reader's is in
the kernel's futex. With both no reader sleeps on while there is something to read; without either
one it may, for as long as its park.
"""

import pytest

WRITER = ("store tail", "barrier", "load asleep", "wake if it was set")
READER = ("store asleep", "barrier", "compare tail and sleep")


def steps(state, *, barriers):
    """Every state that one access, or one store that becomes visible, leads to."""
    visible, buffers, done, *flags = state
    for side, program in enumerate((WRITER, READER)):
        if buffers[side] is not None:
            yield visible | {buffers[side]}, replaced(buffers, side, None), done, *flags
        if done[side] < len(program):
            after = visible, buffers, replaced(done, side, done[side] + 1), *flags
            yield from access(after, program[done[side]], side, waits=side in barriers)


def access(state, what, side, *, waits):
    visible, buffers, done, saw_asleep, is_asleep = state
    match what:
        case "store tail" | "store asleep":
            stored = replaced(buffers, side, what.removeprefix("store "))
            yield visible, stored, done, saw_asleep, is_asleep
        case "barrier" if buffers[side] is None or not waits:
            yield state
        case "load asleep":
            yield visible, buffers, done, "asleep" in visible, is_asleep
        case "wake if it was set":
            yield visible, buffers, done, saw_asleep, is_asleep and not saw_asleep
        case "compare tail and sleep":
            yield visible, buffers, done, saw_asleep, "tail" not in visible


def replaced(pair, side, value):
    return (value, pair[1]) if side == 0 else (pair[0], value)


def sleeps_on(barriers):
    """Whether a reader may be asleep when the writer is through and its tail can be seen."""
    start = (frozenset(), (None, None), (0, 0), False, False)
    pending, seen = [start], {start}
    while pending:
        state = pending.pop()
        visible, _, done, _, is_asleep = state
        if done == (len(WRITER), len(READER)) and "tail" in visible and is_asleep:
            return True
        for successor in steps(state, barriers=barriers):
            if successor not in seen:
                seen.add(successor)
                pending.append(successor)
    return False


def test_with_a_barrier_on_both_sides_no_wake_is_missed():
    assert not sleeps_on(barriers={0, 1})


@pytest.mark.parametrize("barriers", [set(), {0}, {1}], ids=["none", "writer's", "reader's"])
def test_with_a_barrier_on_one_side_only_a_wake_may_be_missed(barriers):
    assert sleeps_on(barriers)
