"""Waiting for a store that cannot be written now: the disk is full, or somebody else has a lock.

Neither is an error of the run. What was to be written is tried again until it is: a transaction
that failed has left nothing behind.
"""

import asyncio
import errno
import logging
import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from engine.wire.waits import Waits

RETRY_S: Final = 0.5
SPACE: Final = "space on the disk"
LOCK: Final = "the lock of the task file"
T = TypeVar("T")

log = logging.getLogger(__name__)


async def patiently(write: Callable[[], T], waits: Waits) -> T:
    """What `write` returns, once it can write; it is called again, so it must be all or nothing."""
    told = ""
    while True:
        try:
            return write()
        except (sqlite3.OperationalError, OSError) as error:
            reason = what_is_missing(error)
            if reason is None:
                raise
            if reason != told:
                log.warning("the engine pauses and waits for %s: %s", reason, error)
            told = reason
        waits.tell(told, on="you")
        await asyncio.sleep(RETRY_S)


def what_is_missing(error: BaseException) -> str | None:
    """What a write waits for that failed so; None if it would fail again."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        return {sqlite3.SQLITE_FULL: SPACE, sqlite3.SQLITE_BUSY: LOCK}.get(code)
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SPACE if is_full else None
