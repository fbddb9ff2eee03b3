"""What a crash left, made whole: the numbering goes on behind the last whole record.

Only the last segment can be torn, for the others were on disk before it had its name. It is cut at
the first record that is not whole. Recovering twice is recovering once, and a kill in between
changes nothing.
"""

import logging
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.wire.errors import CorruptRecord, WireError
from engine.wire.files import atomic_write, fsync_directory
from engine.wire.journal.content import Content, open_content
from engine.wire.journal.header import HEADER_BYTES
from engine.wire.journal.segments import compressed_path, segments
from engine.wire.journal.tail import Tail

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where a journal goes on."""

    next_seq: int
    tail: Tail | None
    """The last segment, to go on in; None if it is compressed, or there is none."""
    is_empty: bool


def recover(directory: Path, *, run_id: bytes) -> Recovered:
    """Tidy up, cut a torn end, sync the rest. The caller holds the lock.

    Raises WireError for another run's journal and for a last segment that a crash cannot have
    damaged so; OSError.
    """
    _sweep(directory)
    found = segments(directory)
    if not found:
        return Recovered(next_seq=0, tail=None, is_empty=True)
    last = found[-1]
    with closing(open_content(last)) as content:
        header = content.read_header()
        if header.run_id != run_id:
            raise WireError(
                f"{last.path} belongs to run {header.run_id.hex()}, this is run {run_id.hex()}; "
                "use one run directory a run"
            )
        end, next_seq = _walk(content)
        if end < content.size or content.damage:
            _cut(content, at=end, seq=next_seq)
    if last.is_compressed:
        return Recovered(next_seq=next_seq, tail=None, is_empty=False)
    _sync(last.path)
    tail = Tail(last.path, header=header, size=end)
    return Recovered(next_seq=next_seq, tail=tail, is_empty=False)


def _sweep(directory: Path) -> None:
    """Remove what an interrupted replacement left: files without a name, twins of plain files."""
    for unfinished in directory.glob(".*.tmp"):
        unfinished.unlink()
    for segment in segments(directory):
        if not segment.is_compressed:
            compressed_path(segment.path).unlink(missing_ok=True)
    fsync_directory(directory)


def _walk(content: Content) -> tuple[int, int]:
    """The byte at which the whole records end, and the number of the next one."""
    at, seq = HEADER_BYTES, content.segment.first_seq
    while (entry := content.entry(at, seq=seq)) is not None:
        at, seq = at + entry.size, seq + 1
    return at, seq


def _cut(content: Content, *, at: int, seq: int) -> None:
    segment, num_bytes = content.segment, content.size - at
    if segment.is_compressed:
        raise CorruptRecord(
            f"{segment.path} must have record seq {seq} at byte {at} of its content, what is there "
            f"is not whole {content.damage}; restore the file, or move it out of the directory",
            offset=at,
            seq=seq,
            epoch=0,
        )
    kept = ""
    if (later := content.whole_behind(at, seq=seq)) is not None:
        aside = segment.path.with_name(f"{segment.path.name}.{at}.torn")
        atomic_write(aside, content.read(at))
        kept = f", and whole records from seq {later[1]} on: all of it is kept in {aside.name}"
    _log.warning(
        "%s: cut %d bytes behind the whole records, from byte %d on, where seq %d must be%s",
        *(segment.path, num_bytes, at, seq, kept),
    )
    os.truncate(segment.path, at)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
