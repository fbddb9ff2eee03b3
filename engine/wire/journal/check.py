"""Finds what is damaged in a journal, all of it and not only the first.

Behind a record that is not whole it looks for the next one: where the damaged one says it ends, if
a whole record follows there, and otherwise at every place where one could begin. This is for
telling, not for reading: a payload may hold bytes that look like a record.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from engine.wire.errors import WireError
from engine.wire.findings import Finding
from engine.wire.journal.content import Content, open_content
from engine.wire.journal.header import HEADER_BYTES, Header
from engine.wire.journal.segments import segments


class _Place(NamedTuple):
    """Where a walk through a segment is, or ended."""

    path: Path
    at: int
    seq: int
    epoch: int = 0
    is_lost: bool = False
    """It ended in damage that has been told."""

    def finding(self, what: str) -> Finding:
        """Damage here."""
        return Finding(path=self.path, offset=self.at, seq=self.seq, epoch=self.epoch, what=what)


def check_journal(directory: Path) -> Iterator[Finding]:
    """Every place where the journal is not as it was written; none if it is whole.

    Reads everything. While a writer is at work, the end may look torn for a moment. Raises
    WireError if there is no such directory, or a package is missing that reading needs.
    """
    run_id: bytes | None = None
    left: _Place | None = None
    for segment in segments(directory):
        try:
            content = open_content(segment)
        except FileNotFoundError:
            continue  # retention was faster
        with closing(content):
            start = _Place(content.segment.path, 0, segment.first_seq)
            try:
                header = content.read_header()
            except WireError as error:
                yield start.finding(str(error))
            else:
                run_id = run_id or header.run_id
                yield from _check_header(header, start=start, run_id=run_id, left=left)
            left = yield from _check_records(content)


def _check_header(
    header: Header, *, start: _Place, run_id: bytes, left: _Place | None
) -> Iterator[Finding]:
    if header.run_id != run_id:
        yield start.finding(
            f"must belong to run {run_id.hex()} like the segments before, has {header.run_id.hex()}"
        )
    if left is not None and not left.is_lost and left.seq != header.previous_end:
        yield left.finding(
            f"must end before seq {header.previous_end}, where {start.path.name} goes on, ends "
            f"before seq {left.seq}: it was cut, or a segment is missing or not of this journal"
        )


def _check_records(content: Content) -> Generator[Finding, None, _Place]:
    place = _Place(content.segment.path, HEADER_BYTES, content.segment.first_seq)
    while place.at < content.size:
        entry = content.entry(place.at, seq=place.seq)
        if entry is not None:
            if not content.has_clean_fill(place.at, entry):
                yield place.finding("the bytes behind the payload must be zero, are not")
            at, seq = place.at + entry.size, place.seq + 1
            place = place._replace(at=at, seq=seq, epoch=entry.record.epoch)
            continue
        behind = _resume(content, place)
        yield place.finding(_description(content, place, behind=behind))
        if behind is None:
            return place._replace(is_lost=True)
        place = place._replace(at=behind[0], seq=behind[1])
    if content.damage:
        yield place.finding(content.damage)
    return place._replace(is_lost=bool(content.damage))


def _resume(content: Content, place: _Place) -> tuple[int, int] | None:
    """Byte and number of the next whole record behind a damaged one."""
    size = content.claimed_size(place.at)
    if size is not None:
        entry = content.entry(place.at + size)
        if entry is not None and entry.record.seq >= place.seq:
            return place.at + size, entry.record.seq
    return content.whole_behind(place.at, seq=place.seq)


def _description(content: Content, place: _Place, *, behind: tuple[int, int] | None) -> str:
    seq, segment = place.seq, content.segment
    if behind is None:
        rest = content.size - place.at
        if not segment.is_sealed:
            return f"torn end: {rest} bytes are no whole record; the next writer cuts them"
        why = f" ({content.damage})" if content.damage else ""
        return f"record {seq} is not whole, nor is anything in the {rest} bytes from here on{why}"
    if behind[1] <= seq + 1:
        return f"record {seq} is not whole; the next one, {behind[1]}, is at byte {behind[0]}"
    return f"records {seq} to {behind[1] - 1} are not whole; {behind[1]} is at byte {behind[0]}"
