"""The tables of a run's task file and what a row is; `store.py` says what is promised."""

import json
import sqlite3
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.tasks.task import Example, Origin, Task
from engine.wire.messages import Kind, Role

SCHEMA = 6
"""Version of the tables."""

TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    program TEXT NOT NULL, examples TEXT NOT NULL, message TEXT NOT NULL,
    normal_form TEXT NOT NULL, shape TEXT NOT NULL, behaviour TEXT NOT NULL,
    certificate TEXT NOT NULL, round INTEGER NOT NULL, slot INTEGER,
    parents TEXT NOT NULL, version INTEGER NOT NULL, origin TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, solved INTEGER NOT NULL DEFAULT 0,
    retired TEXT, retired_ns INTEGER
);
CREATE INDEX IF NOT EXISTS tasks_by_form ON tasks (kind, normal_form);
CREATE INDEX IF NOT EXISTS tasks_by_shape ON tasks (kind, shape);
CREATE INDEX IF NOT EXISTS tasks_by_behaviour ON tasks (kind, behaviour);
CREATE INDEX IF NOT EXISTS tasks_by_origin ON tasks (origin, kind);
CREATE UNIQUE INDEX IF NOT EXISTS tasks_by_slot ON tasks (kind, origin, round, slot)
    WHERE slot IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_without_slot ON tasks (position) WHERE slot IS NULL;
CREATE TABLE IF NOT EXISTS cohorts (
    kind TEXT, origin TEXT, level INTEGER, node INTEGER, size INTEGER NOT NULL,
    weight INTEGER NOT NULL, PRIMARY KEY (kind, origin, level, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plans (round INTEGER PRIMARY KEY, plan TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS groups (
    seq INTEGER PRIMARY KEY, group_id BLOB NOT NULL, part INTEGER NOT NULL,
    round INTEGER NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL, task_id TEXT NOT NULL,
    num_rollouts INTEGER NOT NULL, payload BLOB, UNIQUE (group_id, part)
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A group, or a part of one, on its way to the ring: what becomes one record."""

    group_id: bytes
    part: int = 0
    """Its index among the group's parts."""
    role: Role
    kind: Kind
    task_id: str
    num_rollouts: int
    payload: bytes
    seq: int | None = None
    """None until the store has numbered it."""


class GroupRow(NamedTuple):
    """What the store knows of a record besides its bytes."""

    seq: int
    group_id: bytes
    part: int
    role: str
    kind: str
    task_id: str
    num_rollouts: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Attempts at a task and how many were right."""

    task_id: str
    attempts: int
    solved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A task with what the store knows of it besides."""

    task: Task
    round: int
    """The round that admitted it; -1 for what no round did."""
    attempts: int
    solved: int
    state: str
    """`kept`, `evicted`, or `retired: ` and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A task that did not give its gold again."""

    task: Task
    reason: str
    at_ns: int = field(default_factory=time.time_ns)
    """When that was found."""


def task_of(row: sqlite3.Row) -> Task:
    """A row of `tasks` as a task."""
    return Task(
        kind=Kind(row["kind"]),
        program=row["program"],
        examples=tuple(
            Example(args=args, gold=bytes.fromhex(gold), shown=shown)
            for args, gold, shown in json.loads(row["examples"])
        ),
        message=row["message"],
        normal_form=row["normal_form"],
        shape=row["shape"],
        behaviour=row["behaviour"],
        certificate=row["certificate"],
        parents=tuple(json.loads(row["parents"])),
        version=row["version"],
        origin=Origin(row["origin"]),
    )


def stored_of(row: sqlite3.Row) -> Stored:
    """A row of `tasks` with its statistics."""
    left = f"retired: {row['retired']}" if row["retired"] is not None else "evicted"
    return Stored(
        task=task_of(row),
        round=row["round"],
        attempts=row["attempts"],
        solved=row["solved"],
        state="kept" if row["slot"] is not None else left,
    )


def outbox_row_of(row: sqlite3.Row) -> OutboxRow:
    """A row of `groups` that still has its bytes."""
    return OutboxRow(
        seq=row["seq"],
        group_id=row["group_id"],
        part=row["part"],
        role=Role(row["role"]),
        kind=Kind(row["kind"]),
        task_id=row["task_id"],
        num_rollouts=row["num_rollouts"],
        payload=row["payload"],
    )
