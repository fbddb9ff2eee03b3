"""Reads a journal in order, alive or dead, without a lock, while its writer writes.

A record is given as it was appended or not at all. Damage, a gap and a number that retention has
removed raise; only the end may be torn, and there reading ends, as it does behind the last record.
Segments may be compressed or removed meanwhile: the open one is read to its end, the next one is
looked up by its number.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from engine.wire.errors import CorruptRecord, WireError
from engine.wire.journal.content import Content, open_content
from engine.wire.journal.header import HEADER_BYTES, Header
from engine.wire.journal.segments import Segment, segments
from engine.wire.ring.record import Record


class _Left(NamedTuple):
    """Where the records of a segment ended that has a successor."""

    segment: Segment
    run_id: bytes
    at: int
    seq: int
    epoch: int
    is_at_end: bool


def read_journal(
    directory: Path, *, first_seq: int | None = None, end_seq: int | None = None
) -> Iterator[Record]:
    """The records from `first_seq` (None: the oldest) up to, not including, `end_seq`.

    Earlier segments are not opened, and earlier records of the same segment only passed over. It
    ends silently where the journal ends, before `end_seq` perhaps. Raises from `next`: WireError
    if there is no such directory, retention has removed `first_seq`, a header is damaged, numbers
    are missing; CorruptRecord with byte, seq and epoch for a record that is not whole.
    """
    left: _Left | None = None
    while (content := _next_content(directory, left=left, first_seq=first_seq)) is not None:
        with closing(content):
            header = content.read_header()
            if left is not None:
                _check_joined(left, header, path=content.segment.path)
            left = yield from _records(content, header, first_seq=first_seq, end_seq=end_seq)
        if left is None:
            return


def _next_content(directory: Path, *, left: _Left | None, first_seq: int | None) -> Content | None:
    """The segment behind the one that was left, or the first; None if there is none."""
    while True:
        found = segments(directory)
        if left is not None:
            found = tuple(s for s in found if s.first_seq > left.segment.first_seq)
        elif first_seq is not None and found:
            found = _from(found, first_seq, directory=directory)
        if not found:
            return None
        try:
            return open_content(found[0])
        except FileNotFoundError:
            continue  # removed since it was listed


def _from(found: tuple[Segment, ...], seq: int, *, directory: Path) -> tuple[Segment, ...]:
    if seq < found[0].first_seq:
        raise _removed(directory, seq=seq, oldest=found[0].first_seq)
    return tuple(s for s in found if s.end_seq is None or seq < s.end_seq)


def _records(
    content: Content, header: Header, *, first_seq: int | None, end_seq: int | None
) -> Generator[Record, None, _Left | None]:
    """The records of one segment; returns where it was left, None if nothing more is to be read."""
    at, seq, epoch = *_passed_over(content, first_seq), 0
    while end_seq is None or seq < end_seq:
        entry = content.entry(at, seq=seq)
        if entry is None:
            has_successor = _has_successor(content.segment)
            entry = content.fresh_entry(at, seq=seq)  # written since?
            if entry is None and has_successor:
                is_at_end = at >= content.size and not content.damage
                return _Left(content.segment, header.run_id, at, seq, epoch, is_at_end)
        if entry is None:
            if _is_torn_end(content, at=at, seq=seq):
                return None
            entry = content.fresh_entry(at, seq=seq)
            if entry is None:
                raise _damaged(content.segment, at=at, seq=seq, epoch=epoch)
        at, seq, epoch = at + entry.size, seq + 1, entry.record.epoch
        if first_seq is None or seq > first_seq:
            yield entry.record
    return None


def _passed_over(content: Content, first_seq: int | None) -> tuple[int, int]:
    """Byte and number of `first_seq`, or of the place where its predecessors end; unchecked."""
    at, seq = HEADER_BYTES, content.segment.first_seq
    while first_seq is not None and seq < first_seq:
        size = content.claimed_size(at, seq=seq)
        if size is None:
            break
        at, seq = at + size, seq + 1
    return at, seq


def _has_successor(segment: Segment) -> bool:
    if segment.end_seq is not None:
        return True
    return any(s.first_seq > segment.first_seq for s in segments(segment.path.parent))


def _is_torn_end(content: Content, *, at: int, seq: int) -> bool:
    """Whether a last segment merely ends at byte `at`, perhaps in mid-record."""
    if content.segment.is_compressed:
        return at >= content.size and not content.damage
    return content.whole_behind(at, seq=seq) is None


def _check_joined(left: _Left, header: Header, *, path: Path) -> None:
    """Raise unless the segment `path` goes on where the one before it ended."""
    seq, directory = left.seq, path.parent
    if header.run_id != left.run_id:
        raise WireError(
            f"{path} must belong to run {left.run_id.hex()} like {left.segment.path.name}, belongs "
            f"to {header.run_id.hex()}; one of them is not of this journal"
        )
    if header.previous_end == header.first_seq == seq:
        return
    if header.previous_end != seq and not left.is_at_end:
        raise _damaged(left.segment, at=left.at, seq=seq, epoch=left.epoch)
    oldest = segments(directory)[0].first_seq
    if oldest > seq:
        raise _removed(directory, seq=seq, oldest=oldest)
    why = "the writer was told to leave them out"
    if header.previous_end != seq:
        why = f"{left.segment.path} was cut at byte {left.at}, or a segment was removed"
    raise WireError(
        f"{directory} has no records seq {seq} to {header.first_seq - 1}: {why}; "
        f"read up to end_seq {seq}, or from first_seq {header.first_seq} on"
    )


def _removed(directory: Path, *, seq: int, oldest: int) -> WireError:
    return WireError(
        f"{directory} begins at seq {oldest}, seq {seq} was asked for: retention has removed it; "
        f"read from first_seq {oldest} on, and keep more (keep_bytes)"
    )


def _damaged(segment: Segment, *, at: int, seq: int, epoch: int) -> CorruptRecord:
    place = "of its content " if segment.is_compressed else ""
    return CorruptRecord(
        f"{segment.path} must have record seq {seq} at byte {at} {place}(epoch {epoch}), what is "
        f"there is not whole; read up to end_seq {seq}, or on from a later first_seq: "
        "check_journal says how much is damaged",
        offset=at,
        seq=seq,
        epoch=epoch,
    )
