"""The tasks of a run: what can be drawn, what is known, what was retired or evicted.

A task that can be drawn has a *slot*, a dense number among those that its round admitted, and a
tree counts the rounds (`pools.py`), so that the n-th of a million is found as fast as the n-th of
ten. A task that did not give its gold again is *retired*, one that made room for others is
*evicted*: both keep their row and stay known, and give their slot to the last task of their round.

A draw is a function of the dice and of what is stored, the order of slots included; that order is
a function of the transactions, so a killed and resumed run draws what it would have drawn.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.tasks.database import Database
from engine.tasks.drawing import Span, draw
from engine.tasks.pools import SEED_ROUND, Place, Pool, Pools, Weighting, round_of, step_of
from engine.tasks.rows import Retirement, Solved, Stored, stored_of, task_of
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind

PAGE: Final = 500
"""Rows that a reader of all tasks holds."""


class TaskMemory(Database):
    """The tables `tasks` and `cohorts`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        self._pools = Pools(self._db)

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
        kinds = tuple(Kind) if kind is None else (kind,)
        return sum(map(self._pools.total, _pools_of(kinds, origin)))

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

    def newest(self, num: int) -> list[Stored]:
        """The tasks admitted last that can be drawn, newest first."""
        query = "SELECT * FROM tasks WHERE slot IS NOT NULL ORDER BY position DESC LIMIT ?"
        return [stored_of(row) for row in self._rows(query, (num,))]

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
        origin: Origin | None = None,
        since_round: int = SEED_ROUND,
    ) -> list[Task]:
        """At most n different tasks of these kinds, admitted in this round or later; O(n log N)."""
        step = max(step_of(since_round), 0)
        spans = [
            Span(
                pool=pool,
                low=self._pools.before(pool, step, weighting),
                high=self._pools.total(pool, weighting),
            )
            for pool in _pools_of(kinds, origin)
        ]
        drawn = draw(dice, self._pools, spans, n=n, weighting=weighting)
        return [task_of(self._row_at(*each)) for each in drawn]

    def _row_at(self, pool: Pool, place: Place) -> sqlite3.Row:
        query = "SELECT * FROM tasks WHERE kind = ? AND origin = ? AND round = ? AND slot = ?"
        (row,) = self._rows(query, (*pool, round_of(place.step), place.slot))
        return row

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
        """Take a task's slot away and move the last task of its round into it."""
        query = "SELECT kind, origin, round, slot FROM tasks WHERE id = ? AND slot IS NOT NULL"
        rows = self._rows(query, (task_id,))
        if not rows:
            return
        kind, origin, number, slot = rows[0]
        last = self._pools.take(Pool(kind, origin), step_of(number))
        self._db.execute("UPDATE tasks SET slot = NULL WHERE id = ?", (task_id,))
        query = "UPDATE tasks SET slot = ? WHERE kind = ? AND origin = ? AND round = ? AND slot = ?"
        self._db.execute(query, (slot, kind, origin, number, last))

    # -- entering

    def _insert(self, task: Task, number: int) -> bool:
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
        )
        query = "INSERT OR IGNORE INTO tasks (id, kind, program, examples, message, normal_form,"
        query += " shape, behaviour, certificate, parents, version, origin, round)"
        query += " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
        is_new = self._db.execute(query, values).rowcount == 1
        if is_new:
            slot = self._pools.add(Pool(task.kind, task.origin), step_of(number))
            self._db.execute("UPDATE tasks SET slot = ? WHERE id = ?", (slot, task.id))
        return is_new

    def _count_solved(self, results: Iterable[Solved]) -> None:
        for result in results:
            self._db.execute(
                "UPDATE tasks SET attempts = attempts + ?, solved = solved + ? WHERE id = ?",
                (result.attempts, result.solved, result.task_id),
            )


def _pools_of(kinds: Sequence[Kind], origin: Origin | None) -> list[Pool]:
    """Kind by kind in the order given, seeds first."""
    origins = tuple(Origin) if origin is None else (origin,)
    return [Pool(kind, each) for kind in kinds for each in origins]
