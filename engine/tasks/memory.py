"""The tasks of a run: what can be drawn, what is known, what was retired or evicted.

A task that can be drawn has a *slot*, a dense number among the tasks of its kind, so that the n-th
of a million is found as fast as the n-th of ten. A task that did not give its gold again is
*retired*, one that made room for others is *evicted*: both keep their row and stay known, and give
their slot to the last task of their kind.

A draw is a function of the dice and of what is stored, the order of slots included; that order is
a function of the transactions, so a killed and resumed run draws what it would have drawn.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from engine.tasks.database import Database
from engine.tasks.rows import Retirement, Solved, Stored, stored_of, task_of
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind

SEED_ROUND: Final = -1
PAGE: Final = 500
"""Rows that a reader of all tasks holds."""
TRIES: Final = 64
"""Throws per wanted task before a weighted draw settles for any."""


class Weighting(StrEnum):
    """How likely each task is to be drawn."""

    UNIFORM = "uniform"
    RECENT = "recent"
    """In proportion to the round that admitted it, seeds least: AZR's strategy `step`."""


class TaskMemory(Database):
    """The tables `tasks` and `slots`."""

    # -- what is there

    def add_seeds(self, tasks: Iterable[Task]) -> int:
        """Insert tasks that no proposer wrote, skip known ones; returns how many were new."""
        with self.transaction():
            return sum(self._insert(task, SEED_ROUND) for task in tasks)

    def add_imported(self, task: Task) -> bool:
        """Insert a task of another run, certified in this one; False if it is known."""
        if task.origin is not Origin.IMPORTED:
            raise ValueError(f"expected an imported task, got one of origin {task.origin}")
        with self.transaction():
            return self._insert(task, SEED_ROUND)

    def is_known(self, kind: Kind, form: str, *, by_shape: bool = False) -> bool:
        """Whether a task of this kind has this normal form (or shape: constants erased)."""
        column = "shape" if by_shape else "normal_form"
        query = f"SELECT 1 FROM tasks WHERE kind = ? AND {column} = ? LIMIT 1"
        return self._db.execute(query, (kind, form)).fetchone() is not None

    def is_known_behaviour(self, kind: Kind, behaviour: str) -> bool:
        """Whether a task of this kind behaves like that on the probe inputs."""
        query = "SELECT 1 FROM tasks WHERE kind = ? AND behaviour = ? LIMIT 1"
        return self._db.execute(query, (kind, behaviour)).fetchone() is not None

    def num_tasks(self, kind: Kind | None = None, origin: Origin | None = None) -> int:
        """How many tasks can be drawn, of one kind or origin if given."""
        if origin is None:
            kinds = tuple(Kind) if kind is None else (kind,)
            return sum(self._num_slots(each) for each in kinds)
        query = "SELECT count(*) FROM tasks WHERE slot IS NOT NULL AND (?1 IS NULL OR kind = ?1)"
        return self._number(query + " AND origin = ?2", (kind, origin)) or 0

    def tasks(self, kind: Kind | None = None, origin: Origin | None = None) -> Iterator[Task]:
        """Tasks in the order they were admitted, those that cannot be drawn left out."""
        for stored in self.stored_tasks(kind, origin):
            yield stored.task

    def stored_tasks(
        self, kind: Kind | None = None, origin: Origin | None = None
    ) -> Iterator[Stored]:
        """The same with their statistics; few rows are held at a time."""
        query = "SELECT * FROM tasks WHERE position > ?3 AND slot IS NOT NULL"
        query += " AND (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR origin = ?2)"
        last = 0
        while rows := self._rows(f"{query} ORDER BY position LIMIT {PAGE}", (kind, origin, last)):
            yield from map(stored_of, rows)
            last = rows[-1]["position"]

    def newest(self, num: int) -> list[Task]:
        """The tasks admitted last that can be drawn, newest first."""
        query = "SELECT * FROM tasks WHERE slot IS NOT NULL ORDER BY position DESC LIMIT ?"
        return [task_of(row) for row in self._rows(query, (num,))]

    def task(self, task_id: str) -> Task | None:
        """One task by id, whether it can still be drawn or not."""
        stored = self.stored(task_id)
        return stored.task if stored else None

    def stored(self, task_id: str) -> Stored | None:
        """The same with its statistics."""
        rows = self._rows("SELECT * FROM tasks WHERE id = ?", (task_id,))
        return stored_of(rows[0]) if rows else None

    def ids_like(self, start: str, *, most: int) -> list[str]:
        """Ids of tasks, drawable or not, that begin with this."""
        query = "SELECT id FROM tasks WHERE id >= ?1 AND id < ?1 || char(1114111) LIMIT ?2"
        return [task_id for (task_id,) in self._db.execute(query, (start, most))]

    def seeds(self, kind: Kind, num: int | None = None) -> list[Task]:
        """The first seeds of a kind, in the order they were planted."""
        query = "SELECT * FROM tasks WHERE origin = ? AND kind = ? AND slot IS NOT NULL"
        rows = self._rows(
            f"{query} ORDER BY position LIMIT ?", (Origin.SEED, kind, -1 if num is None else num)
        )
        return [task_of(row) for row in rows]

    def statistics(self, task: Task, *, family_counted: int) -> dict[str, int]:
        """Position, attempts, solved, and how many tasks of its kind and shape can be drawn."""
        query = "SELECT position, attempts, solved FROM tasks WHERE id = ?"
        [row] = self._rows(query, (task.id,))
        query = "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE kind = ? AND shape = ?"
        query += " AND slot IS NOT NULL LIMIT ?)"
        family = self._number(query, (task.kind, task.shape, family_counted)) or 0
        return {**{name: int(row[name]) for name in row.keys()}, "family": family}  # noqa: SIM118

    # -- drawing

    def draw(
        self,
        dice: random.Random,
        kinds: Sequence[Kind],
        *,
        n: int,
        weighting: Weighting = Weighting.UNIFORM,
    ) -> list[Task]:
        """At most n different tasks of these kinds; O(n log N)."""
        sizes = [self._num_slots(kind) for kind in kinds]
        total = sum(sizes)
        if weighting is Weighting.UNIFORM:
            picks = dice.sample(range(total), min(n, total))
            return [task_of(self._row_at(kinds, sizes, pick)) for pick in picks]
        return [task_of(row) for row in self._weighted(dice, kinds, sizes, min(n, total))]

    def admitted_since(self, kind: Kind, number: int, *, most: int) -> list[Task]:
        """Tasks that a round with this or a later number admitted, newest first."""
        query = "SELECT * FROM tasks WHERE kind = ? AND round >= ? AND slot IS NOT NULL"
        rows = self._rows(f"{query} ORDER BY position DESC LIMIT ?", (kind, number, most))
        return [task_of(row) for row in rows]

    def _weighted(
        self, dice: random.Random, kinds: Sequence[Kind], sizes: Sequence[int], n: int
    ) -> list[sqlite3.Row]:
        """Throw and accept in proportion to the weight, so that nothing is summed over all."""
        heaviest = (self._number("SELECT max(round) FROM tasks") or 0) + 2
        found: dict[int, sqlite3.Row] = {}
        for _ in range(TRIES * n):
            if len(found) == n:
                break
            pick = dice.randrange(sum(sizes))
            row = self._row_at(kinds, sizes, pick)
            if dice.random() * heaviest < row["round"] + 2:
                found.setdefault(pick, row)
        left = [pick for pick in range(sum(sizes)) if pick not in found] if len(found) < n else []
        for pick in dice.sample(left, n - len(found)):
            found[pick] = self._row_at(kinds, sizes, pick)
        return list(found.values())

    def _row_at(self, kinds: Sequence[Kind], sizes: Sequence[int], pick: int) -> sqlite3.Row:
        for kind, size in zip(kinds, sizes, strict=True):
            if pick < size:
                query = "SELECT * FROM tasks WHERE kind = ? AND slot = ?"
                return self._rows(query, (kind, pick))[0]
            pick -= size
        raise IndexError(f"expected a number below {sum(sizes)}")

    # -- leaving

    def retire(self, retirement: Retirement) -> None:
        """Never draw this task again; the first reason is kept."""
        with self.transaction():
            self._retire(retirement)

    def retired(self) -> list[Retirement]:
        """Retired tasks with the reason, in the order they were admitted."""
        query = "SELECT * FROM tasks WHERE retired IS NOT NULL ORDER BY position"
        return [
            Retirement(task=task_of(row), reason=row["retired"], at_ns=row["retired_ns"])
            for row in self._rows(query)
        ]

    def evicted(self) -> list[str]:
        """Ids of the tasks that made room for others, in the order they were admitted."""
        query = "SELECT id FROM tasks WHERE slot IS NULL AND retired IS NULL ORDER BY position"
        return [task_id for (task_id,) in self._db.execute(query)]

    def evict(self, task_id: str) -> None:
        """Draw this task no more; it stays known."""
        with self.transaction():
            self._vacate(task_id)

    def _retire(self, retirement: Retirement) -> None:
        self._vacate(retirement.task.id)
        query = "UPDATE tasks SET retired = ?, retired_ns = ? WHERE id = ? AND retired IS NULL"
        self._db.execute(query, (retirement.reason, retirement.at_ns, retirement.task.id))

    def _vacate(self, task_id: str) -> None:
        """Take a task's slot away and move the last task of its kind into it."""
        rows = self._rows("SELECT kind, slot FROM tasks WHERE id = ?", (task_id,))
        if not rows or rows[0]["slot"] is None:
            return
        kind, slot = rows[0]["kind"], rows[0]["slot"]
        last = self._num_slots(kind) - 1
        self._db.execute("UPDATE tasks SET slot = NULL WHERE id = ?", (task_id,))
        query = "UPDATE tasks SET slot = ? WHERE kind = ? AND slot = ?"
        self._db.execute(query, (slot, kind, last))
        self._db.execute("UPDATE slots SET num = ? WHERE kind = ?", (last, kind))

    # -- entering

    def _insert(self, task: Task, number: int) -> bool:
        slot = self._num_slots(task.kind)
        values = (
            task.id,
            task.kind,
            task.program,
            json.dumps([[e.args, e.gold.hex(), e.shown] for e in task.examples]),
            task.message,
            task.normal_form,
            task.shape,
            task.behaviour,
            task.certificate,
            json.dumps(task.parents),
            task.version,
            task.origin,
            number,
            slot,
        )
        query = "INSERT OR IGNORE INTO tasks (id, kind, program, examples, message, normal_form,"
        query += " shape, behaviour, certificate, parents, version, origin, round, slot)"
        query += " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        is_new = self._db.execute(query, values).rowcount == 1
        if is_new:
            query = "INSERT OR REPLACE INTO slots (kind, num) VALUES (?, ?)"
            self._db.execute(query, (task.kind, slot + 1))
        return is_new

    def _count_solved(self, results: Iterable[Solved]) -> None:
        for result in results:
            self._db.execute(
                "UPDATE tasks SET attempts = attempts + ?, solved = solved + ? WHERE id = ?",
                (result.attempts, result.solved, result.task_id),
            )

    def _num_slots(self, kind: str) -> int:
        return self._number("SELECT num FROM slots WHERE kind = ?", (kind,)) or 0
