"""The committed cursor: everything before it is durable in the reader's process, and free.

It is a pair (position, seq), and a pair cannot be stored at once. So there are two, and the parity
of a generation counter says which one holds: the reader fills the other and then advances the
counter, by one store. A kill in between changes nothing.
"""

from typing import NamedTuple

from engine.wire.ring.layout import CURSOR_GENERATION, CURSORS
from engine.wire.ring.memory import RingMemory


class Cursor(NamedTuple):
    """A place between two records."""

    position: int
    seq: int
    """Number of the first record at or after `position`."""


def load_cursor(memory: RingMemory) -> Cursor:
    """The committed cursor, a consistent pair even while the reader advances it."""
    while True:
        generation = memory.load(CURSOR_GENERATION)
        at = CURSORS[generation & 1]
        cursor = Cursor(memory.load(at), memory.load(at + 1))
        # This pair is overwritten only after the generation has moved on.
        if memory.load(CURSOR_GENERATION) == generation:
            return cursor


def store_cursor(memory: RingMemory, cursor: Cursor) -> None:
    """Advance the committed cursor; the last store decides. Only the reader may."""
    generation = memory.load(CURSOR_GENERATION) + 1
    at = CURSORS[generation & 1]
    memory.store(at, cursor.position)
    memory.store(at + 1, cursor.seq)
    memory.store(CURSOR_GENERATION, generation)
