"""The task memory of a run: one SQLite file (WAL) that survives kill -9.

Guarantees. A *round* (one proposer group and what came of it) is written in one transaction: the
tasks it admitted, its proposals with their fate, and its groups, each (or each part of one that is
too large for a record) with the next number of a dense sequence. Either all of it is there or none.
The groups' bytes wait in the same file (an outbox) until they are in the ring, whose record numbers
are the same sequence: after a kill the engine pushes exactly the rows that the ring does not have.

A task that did not give its gold again is *retired*: it keeps its row, with the reason, so that it
stays known and its groups keep their task, but it is never counted or drawn again.

What was committed survives a power failure, too: what has been pushed from here is not forgotten
here, so store, ring and journal never disagree about a number.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.tasks.rows import (
    SCHEMA,
    TABLES,
    GroupRow,
    OutboxRow,
    ProposalRow,
    Retirement,
    Solved,
    outbox_row_of,
    proposal_row_of,
    task_of,
)
from engine.tasks.task import Origin, Task
from engine.wire.messages import Kind


class StoreError(Exception):
    """The task file cannot be used."""


class TaskStore:
    """Tasks, proposals and the outbox of one run. One owner; not for several threads."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if read_only and not path.is_file():
            raise StoreError(
                f"expected a task file at {path}, found none; is this a run directory?"
            )
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} cannot be opened as a task file: {error}") from None
        try:
            self._check_schema(path, read_only=read_only)
        except StoreError:
            self.close()
            raise

    def _check_schema(self, path: Path, *, read_only: bool) -> None:
        try:
            if not read_only:
                self._prepare()
            found = self.fact("schema")
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path} is not a readable task file ({error}); move it away"
            ) from None
        if found != str(SCHEMA):
            raise StoreError(
                f"{path} has task schema {found}, this kelvin reads {SCHEMA}; use another --run"
            )

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(TABLES)
        self._db.execute("INSERT OR IGNORE INTO facts VALUES ('schema', ?)", (str(SCHEMA),))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was committed is in it."""
        self._db.close()

    # -- facts: small values that outlive a process

    def fact(self, name: str) -> str | None:
        """A value written by `set_fact`, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Write a small value durably."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # -- tasks

    def add_seeds(self, tasks: Iterable[Task]) -> int:
        """Insert tasks that no proposer wrote, skip known ones; returns how many were new."""
        with self._transaction():
            return sum(self._insert(task) for task in tasks)

    def is_known(self, kind: Kind, form: str, *, by_shape: bool = False) -> bool:
        """Whether a task of this kind has this normal form (or shape: constants erased)."""
        column = "shape" if by_shape else "normal_form"
        query = f"SELECT 1 FROM tasks WHERE kind = ? AND {column} = ? LIMIT 1"
        return self._db.execute(query, (kind, form)).fetchone() is not None

    def num_tasks(self, kind: Kind | None = None, origin: Origin | None = None) -> int:
        """How many tasks can be drawn, of one kind or origin if given."""
        query = "SELECT count(*) FROM tasks WHERE retired IS NULL AND (?1 IS NULL OR kind = ?1)"
        query += " AND (?2 IS NULL OR origin = ?2)"
        return int(self._db.execute(query, (kind, origin)).fetchone()[0])

    def tasks(self, kind: Kind | None = None, origin: Origin | None = None) -> Iterator[Task]:
        """Tasks in the order they were admitted, retired ones left out."""
        query = "SELECT * FROM tasks WHERE retired IS NULL AND (?1 IS NULL OR kind = ?1)"
        query += " AND (?2 IS NULL OR origin = ?2) ORDER BY position"
        for row in self._rows(query, (kind, origin)):
            yield task_of(row)

    def task(self, task_id: str) -> Task | None:
        """One task by id, retired or not."""
        rows = self._rows("SELECT * FROM tasks WHERE id = ?", (task_id,))
        return task_of(rows[0]) if rows else None

    def task_at(self, kinds: Sequence[Kind], index: int) -> Task:
        """The index-th of the tasks that can be drawn of these kinds, oldest first."""
        marks = ",".join("?" * len(kinds))
        query = f"SELECT * FROM tasks WHERE retired IS NULL AND kind IN ({marks})"
        query += " ORDER BY position LIMIT 1 OFFSET ?"
        rows = self._rows(query, (*kinds, index))
        if not rows:
            raise IndexError(f"expected more than {index} tasks of {list(kinds)}")
        return task_of(rows[0])

    def retire(self, retirement: Retirement) -> None:
        """Never draw this task again; the first reason is kept."""
        with self._transaction():
            self._retire(retirement)

    def retired(self) -> list[Retirement]:
        """Retired tasks with the reason, in the order they were admitted."""
        query = "SELECT * FROM tasks WHERE retired IS NOT NULL ORDER BY position"
        return [
            Retirement(task=task_of(row), reason=row["retired"], at_ns=row["retired_ns"])
            for row in self._rows(query)
        ]

    # -- rounds

    def next_round(self) -> int:
        """The number of the first round that was never committed."""
        row = self._db.execute("SELECT max(round) FROM proposals").fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def commit_round(
        self,
        number: int,
        *,
        tasks: Sequence[Task],
        proposals: Sequence[ProposalRow],
        groups: Sequence[OutboxRow],
        solved: Sequence[Solved],
        retired: Sequence[Retirement] = (),
    ) -> None:
        """Write a round: all of it or nothing. Groups get the next numbers of the sequence."""
        with self._transaction():
            for task in tasks:
                self._insert(task)
            for retirement in retired:
                self._insert(retirement.task)
                self._retire(retirement)
            for result in solved:
                self._db.execute(
                    "UPDATE tasks SET attempts = attempts + ?, solved = solved + ? WHERE id = ?",
                    (result.attempts, result.solved, result.task_id),
                )
            for row in proposals:
                self._insert_proposal(number, row)
            seq = self.next_seq()
            for offset, group in enumerate(groups):
                self._insert_group(number, seq + offset, group)

    def next_seq(self) -> int:
        """The number that the next group will get."""
        row = self._db.execute("SELECT max(seq) FROM groups").fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def first_kept_seq(self) -> int:
        """The first group that still has its bytes, or the next number if none has."""
        query = "SELECT min(seq) FROM groups WHERE payload IS NOT NULL"
        row = self._db.execute(query).fetchone()
        return self.next_seq() if row[0] is None else int(row[0])

    def outbox(self, first_seq: int, *, most: int = -1) -> Iterator[OutboxRow]:
        """Groups from `first_seq` on that still have their bytes, in order; `most` if not < 0."""
        query = "SELECT * FROM groups WHERE seq >= ? AND payload IS NOT NULL ORDER BY seq LIMIT ?"
        for row in self._rows(query, (first_seq, most)):
            yield outbox_row_of(row)

    def forget_payloads(self, before_seq: int) -> None:
        """Drop the bytes of groups that the trainer holds durably; the rows stay."""
        query = "UPDATE groups SET payload = NULL WHERE seq < ? AND payload IS NOT NULL"
        self._db.execute("PRAGMA synchronous = NORMAL")  # a power failure may undo this
        self._db.execute(query, (before_seq,))
        self._db.execute("PRAGMA synchronous = FULL")

    def num_rollouts_from(self, seq: int) -> int:
        """Rollouts in groups numbered `seq` or later."""
        query = "SELECT coalesce(sum(num_rollouts), 0) FROM groups WHERE seq >= ?"
        return int(self._db.execute(query, (seq,)).fetchone()[0])

    def proposals(self) -> list[tuple[int, ProposalRow]]:
        """Every proposal with its round, in order."""
        rows = self._rows("SELECT * FROM proposals ORDER BY id")
        return [(row["round"], proposal_row_of(row)) for row in rows]

    def group_rows(self) -> list[GroupRow]:
        """Every group, or part of one, in order."""
        query = f"SELECT {', '.join(GroupRow._fields)} FROM groups ORDER BY seq"
        return [GroupRow(*row) for row in self._rows(query)]

    # -- inside

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(query, tuple(values)).fetchall()

    def _insert(self, task: Task) -> bool:
        values = (
            task.id,
            task.kind,
            task.program,
            json.dumps([[e.args, e.gold.hex(), e.shown] for e in task.examples]),
            task.message,
            task.normal_form,
            task.shape,
            task.certificate,
            json.dumps(task.parents),
            task.version,
            task.origin,
        )
        query = "INSERT OR IGNORE INTO tasks (id, kind, program, examples, message, normal_form,"
        query += " shape, certificate, parents, version, origin) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
        return self._db.execute(query, values).rowcount == 1

    def _retire(self, retirement: Retirement) -> None:
        query = "UPDATE tasks SET retired = ?, retired_ns = ? WHERE id = ? AND retired IS NULL"
        self._db.execute(query, (retirement.reason, retirement.at_ns, retirement.task.id))

    def _insert_proposal(self, number: int, row: ProposalRow) -> None:
        outcome = (row.solve_rate, row.reward, row.task_id)
        values = (number, row.kind, row.version, row.fate, row.detail, row.text, *outcome)
        query = "INSERT INTO proposals (round, kind, version, fate, detail, text, solve_rate,"
        query += " reward, task_id) VALUES (?,?,?,?,?,?,?,?,?)"
        self._db.execute(query, values)

    def _insert_group(self, number: int, seq: int, group: OutboxRow) -> None:
        about = (group.role, group.kind, group.task_id, group.num_rollouts)
        values = (seq, group.group_id, group.part, number, *about, group.payload)
        self._db.execute("INSERT INTO groups VALUES (?,?,?,?,?,?,?,?,?)", values)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
