"""One SQLite file (WAL) that survives kill -9: opening, small facts, transactions.

What was committed survives a power failure, too: what has been pushed from here is not forgotten
here, so store, ring and journal never disagree about a number.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from engine.tasks import flight
from engine.tasks.rows import SCHEMA, TABLES

LOCKED_S: Final = 1.0
"""How long a statement waits for somebody else's lock; the process does nothing else meanwhile."""


class StoreError(Exception):
    """The task file cannot be used."""


class Database:
    """The file. One owner; not for several threads."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if read_only and not path.is_file():
            raise StoreError(
                f"expected a task file at {path}, found none; is this a run directory?"
            )
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCKED_S)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} cannot be opened as a task file: {error}") from None
        try:
            self._check_schema(path, read_only=read_only)
        except StoreError:
            self.close()
            raise

    def _check_schema(self, path: Path, *, read_only: bool) -> None:
        try:
            found = self._schema()
            if not read_only and found in (None, str(SCHEMA)):
                self._prepare()
                found = str(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path} is not a readable task file ({error}); move it away"
            ) from None
        if found is None:
            raise StoreError(f"{path} is not a readable task file (it is empty); move it away")
        if found != str(SCHEMA):
            raise StoreError(
                f"{path} has task schema {found}, this kelvin reads {SCHEMA}; use another --run"
            )

    def _schema(self) -> str | None:
        """The schema of the tables that are there; None if there are none."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'facts'"
        return self.fact("schema") if self._db.execute(query).fetchone() else None

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(TABLES + flight.TABLES)
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

    def fact(self, name: str) -> str | None:
        """A value written by `set_fact`, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Write a small value durably."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # -- inside

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or, if it raises, nothing; a block inside of another joins it."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # sqlite may have undone it: a full disk
                self._db.execute("ROLLBACK")
            raise

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(query, tuple(values)).fetchall()

    def _number(self, query: str, values: Sequence[object] = ()) -> int | None:
        """The first column of the first row, None if there is no row or it is NULL."""
        row = self._db.execute(query, tuple(values)).fetchone()
        return None if row is None or row[0] is None else int(row[0])
