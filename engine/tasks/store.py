"""The task file of a run.

Guarantees. A *round* (its proposals and what came of them) is written in one transaction: the
tasks it admitted, its proposals with their fate, and its groups, each (or each part of one that is
too large for a record) with the next number of a dense sequence. Either all of it is there or none.
The groups' bytes wait in the same file (an outbox) until they are in the ring, whose record numbers
are the same sequence: after a kill the engine pushes exactly the rows that the ring does not have.

What lasts: `database`; the tasks themselves: `memory`.
"""

from collections.abc import Iterator, Sequence

from engine.tasks.database import StoreError
from engine.tasks.flight import AttemptRow, PromptRow, ProposalRow
from engine.tasks.recorder import FlightRecorder
from engine.tasks.rows import GroupRow, OutboxRow, Retirement, Solved, outbox_row_of
from engine.tasks.task import Task

__all__ = ["StoreError", "TaskStore"]


class TaskStore(FlightRecorder):
    """Tasks, plans, proposals and the outbox of one run. One owner; not for several threads."""

    def next_round(self) -> int:
        """The number of the first round that was never committed."""
        return int(self.fact("next_round") or 0)

    # -- plans: what rounds to come will ask for

    def plan(self, number: int) -> str | None:
        """The plan of a round as `write_plan` had it, or None."""
        query = "SELECT plan FROM plans WHERE round = ?"
        row = self._db.execute(query, (number,)).fetchone()
        return None if row is None else str(row[0])

    def write_plan(self, number: int, plan: str) -> None:
        """Keep the plan of a round until that round is committed."""
        self._db.execute("INSERT OR REPLACE INTO plans VALUES (?, ?)", (number, plan))

    # -- rounds

    def commit_round(
        self,
        number: int,
        *,
        tasks: Sequence[Task],
        proposals: Sequence[ProposalRow],
        groups: Sequence[OutboxRow],
        solved: Sequence[Solved],
        retired: Sequence[Retirement] = (),
        prompts: Sequence[PromptRow] = (),
        attempts: Sequence[AttemptRow] = (),
    ) -> None:
        """Write a round: all of it or nothing. Groups get the next numbers of the sequence."""
        with self.transaction():
            for task in tasks:
                self._insert(task, number)
            for retirement in retired:
                self._insert(retirement.task, number)
                self._retire(retirement)
            self._count_solved(solved)
            self._record(number, prompts, proposals, attempts)
            seq = self.next_seq()
            for offset, group in enumerate(groups):
                self._insert_group(number, seq + offset, group)
            self._db.execute("DELETE FROM plans WHERE round <= ?", (number,))
            self.set_fact("next_round", str(number + 1))

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
        try:
            self._db.execute(query, (before_seq,))
        finally:  # a locked file must not leave the next commit unsynced
            self._db.execute("PRAGMA synchronous = FULL")

    def num_rollouts_from(self, seq: int) -> int:
        """Rollouts in groups numbered `seq` or later."""
        query = "SELECT coalesce(sum(num_rollouts), 0) FROM groups WHERE seq >= ?"
        return int(self._db.execute(query, (seq,)).fetchone()[0])

    def group_rows(self) -> list[GroupRow]:
        """Every group, or part of one, in order."""
        query = f"SELECT {', '.join(GroupRow._fields)} FROM groups ORDER BY seq"
        return [GroupRow(*row) for row in self._rows(query)]

    def trained_ages(self, last_n: int) -> list[int]:
        """For the newest solver's groups: rounds since their task was admitted, newest first."""
        query = "SELECT groups.round - tasks.round FROM groups JOIN tasks ON tasks.id = task_id"
        query += " WHERE role = 'solver' AND part = 0 ORDER BY seq DESC LIMIT ?"
        return [age for (age,) in self._db.execute(query, (last_n,))]

    # -- inside

    def _insert_group(self, number: int, seq: int, group: OutboxRow) -> None:
        about = (group.role, group.kind, group.task_id, group.num_rollouts)
        values = (seq, group.group_id, group.part, number, *about, group.payload)
        self._db.execute("INSERT INTO groups VALUES (?,?,?,?,?,?,?,?,?)", values)
