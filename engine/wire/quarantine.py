"""Quarantined records, kept for a post-mortem: the bytes as they were, and why they were refused.

`ring-0-SEQ.bin` holds the payload and `ring-0-SEQ.json`, written first, the reason. A file that is
there is whole, and is never overwritten: a trainer that reads the record again after a restart
finds it kept. At most `MAX_KEPT` records are kept, the first ones, for what breaks first explains
most. Nothing is raised, whatever the disk says: this is evidence, and no run ends for want of it.
"""

import json
import logging
import os
import time
from pathlib import Path
from typing import Final

from engine.wire.errors import QuarantinedRecord
from engine.wire.ring import Record

MAX_KEPT: Final = 64
"""Records a run keeps; each is at most an eighth of the ring."""

_log = logging.getLogger(__name__)


def keep_quarantined(
    directory: Path, record: Record, error: QuarantinedRecord, *, ring: str
) -> Path | None:
    """Write a record of `ring` and the reason into `directory`, made if need be.

    Returns the record's file, or None if it could not be kept, or enough are. Not durable against
    power failure, and not meant to be.
    """
    path = directory / f"{ring}-{record.seq}.bin"
    about = {
        "ring": ring,
        "seq": record.seq,
        "schema": record.schema,
        "bytes": len(record.payload),
        "field": error.field,
        "reason": str(error),
        "time": time.time(),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return path
        if sum(1 for _ in directory.glob("*.json")) >= MAX_KEPT:
            return None
        _write_new(path.with_suffix(".json"), json.dumps(about, indent=1).encode())
        _write_new(path, record.payload)
    except OSError as problem:
        _log.warning(
            "%s record %d could not be kept in %s: %s", ring, record.seq, directory, problem
        )
        return None
    return path


def _write_new(path: Path, data: bytes) -> None:
    """Make a file that is whole from the moment it has its name; leaves one that is there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.link(temporary, path)  # unlike a rename, it does not replace
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
