"""How many tasks can be drawn, and which is the n-th: a tree of counts over the rounds.

A *pool* is a kind and an origin, a *cohort* the tasks of a pool that one round admitted. Within its
cohort a task that can be drawn has a dense number, its *slot*; one that leaves gives its slot to
the last, so there is never a hole. Above the cohorts lies a tree: level 0 counts the tasks of one
step (round + 1; seeds are of step 0), each level above those of FANOUT nodes below, and the root
all. Any task is found from its rank, or from its rank by weight, in one descent; adding or taking
one changes LEVELS rows. Counts change in the transaction that changes the tasks.

A task weighs its step + 1: that of the last round about twice as much as one from half way, and a
seed, in the beginning as likely as the others, less and less.
"""

import sqlite3
from enum import StrEnum
from typing import Final, NamedTuple

from engine.tasks.task import Origin
from engine.wire.messages import Kind

FANOUT: Final = 32
LEVELS: Final = 7
"""Levels of the tree; FANOUT ** (LEVELS - 1) rounds fit, a thousand million."""


SEED_ROUND: Final = -1
"""The round of a task that no round admitted."""


def step_of(number: int) -> int:
    """The step of a round: seeds are of step 0."""
    return number - SEED_ROUND


def round_of(step: int) -> int:
    """The round of a step."""
    return step + SEED_ROUND


class Weighting(StrEnum):
    """How likely a task is to be drawn."""

    UNIFORM = "uniform"
    """All alike."""
    RECENT = "recent"
    """In proportion to its step + 1: AZR's strategy `step`, but that seeds keep a chance."""

    def weight(self, step: int) -> int:
        """Of a task of this step."""
        return step + 1 if self is Weighting.RECENT else 1


class Pool(NamedTuple):
    """A kind and an origin."""

    kind: Kind
    origin: Origin


class Place(NamedTuple):
    """Where a task stands."""

    step: int
    slot: int
    start: int
    """Weight of all tasks of the pool before it."""
    weight: int


class Pools:
    """The table `cohorts`. Writes in a transaction of its caller."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, pool: Pool, step: int) -> int:
        """Count one more task; its slot."""
        slot = self._size(pool, step)
        self._change(pool, step, by=1)
        return slot

    def take(self, pool: Pool, step: int) -> int:
        """Count one task less; the slot that is no longer, whose task must move."""
        self._change(pool, step, by=-1)
        return self._size(pool, step)

    def total(self, pool: Pool, weighting: Weighting = Weighting.UNIFORM) -> int:
        """Weight of all tasks of the pool; their number, if uniform."""
        query = f"SELECT {_column(weighting)} FROM cohorts WHERE kind = ? AND origin = ?"
        return self._number(f"{query} AND level = ? AND node = 0", (*pool, LEVELS - 1)) or 0

    def before(self, pool: Pool, step: int, weighting: Weighting = Weighting.UNIFORM) -> int:
        """Weight of the tasks of earlier steps than this one."""
        query = f"SELECT sum({_column(weighting)}) FROM cohorts WHERE kind = ? AND origin = ?"
        query += " AND level = ? AND node >= ? AND node < ?"
        weight = 0
        for level in range(LEVELS - 1):
            node = step // FANOUT**level
            first = node // FANOUT * FANOUT
            if first < node:
                weight += self._number(query, (*pool, level, first, node)) or 0
        return weight

    def find(self, pool: Pool, at: int, weighting: Weighting = Weighting.UNIFORM) -> Place:
        """The task whose share of the pool's weight holds `at`; by rank, if uniform."""
        query = f"SELECT node, {_column(weighting)} FROM cohorts WHERE kind = ? AND origin = ?"
        query += " AND level = ? AND node >= ? AND node < ? ORDER BY node"
        node, start = 0, 0
        for level in reversed(range(LEVELS - 1)):
            values = (*pool, level, node * FANOUT, (node + 1) * FANOUT)
            for child, weight in self._db.execute(query, values):
                if at < start + weight:
                    node = child
                    break
                start += weight
            else:
                raise IndexError(f"expected a place before {start} in {pool}, got {at}")
        each = weighting.weight(node)
        slot = (at - start) // each
        return Place(step=node, slot=slot, start=start + slot * each, weight=each)

    def _number(self, query: str, values: tuple[object, ...]) -> int | None:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _size(self, pool: Pool, step: int) -> int:
        query = "SELECT size FROM cohorts WHERE kind = ? AND origin = ? AND level = 0 AND node = ?"
        return self._number(query, (*pool, step)) or 0

    def _change(self, pool: Pool, step: int, *, by: int) -> None:
        if not 0 <= step < FANOUT ** (LEVELS - 1):
            raise ValueError(f"expected a round from -1 to 32 ** 6 - 2, got {step - 1}")
        query = "INSERT INTO cohorts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        query += " SET size = size + excluded.size, weight = weight + excluded.weight"
        weight = by * Weighting.RECENT.weight(step)
        for level in range(LEVELS):
            self._db.execute(query, (*pool, level, step // FANOUT**level, by, weight))
        if by < 0:
            query = "DELETE FROM cohorts WHERE kind = ? AND origin = ? AND level = 0 AND node = ?"
            self._db.execute(f"{query} AND size = 0", (*pool, step))


def _column(weighting: Weighting) -> str:
    return "weight" if weighting is Weighting.RECENT else "size"
