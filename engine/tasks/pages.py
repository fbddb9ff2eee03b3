"""Tasks by the page, newest first: for readers that come from outside, one page at a time."""

from engine.tasks.database import Database
from engine.tasks.rows import Stored, stored_of
from engine.tasks.task import Origin
from engine.wire.messages import Kind

STATES = {
    "kept": "slot IS NOT NULL",
    "evicted": "slot IS NULL AND retired IS NULL",
    "retired": "retired IS NOT NULL",
}
"""What may have become of a task, and how the table says so."""


class TaskPages(Database):
    """The table `tasks` from its end."""

    def page(
        self,
        *,
        limit: int,
        before: int | None = None,
        kind: Kind | None = None,
        origin: Origin | None = None,
        state: str | None = None,
    ) -> tuple[list[Stored], int | None]:
        """The newest tasks that entered before a position, and where the next page begins.

        None for that: this was the last. `state` is one of STATES.
        """
        query = "SELECT * FROM tasks WHERE (?1 IS NULL OR position < ?1)"
        query += " AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR origin = ?3)"
        query += f" AND {STATES[state]}" if state else ""
        query += " ORDER BY position DESC LIMIT ?4"
        rows = self._rows(query, (before, kind, origin, limit + 1))
        following = rows[limit - 1]["position"] if len(rows) > limit else None
        return [stored_of(row) for row in rows[:limit]], following
