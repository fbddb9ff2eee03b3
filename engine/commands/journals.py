"""The records of a journal, past what is damaged in it, as a command needs them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from engine.wire import CorruptRecord, WireError
from engine.wire.findings import Finding
from engine.wire.journal import Segment, check_journal, read_journal, segments
from engine.wire.ring.walk import Found, Overtaken


class JournalSource:
    """What a reader of a ring has popped, as far as retention has kept it."""

    remedy: Final = "`engine queue export` saves what is whole"

    def __init__(self, directory: Path) -> None:
        """Look at a journal; WireError if there is no such directory."""
        self.path = directory
        segments(directory)

    def end_seq(self) -> int:
        """The number of the next record: of the last segment only headers are read."""
        found = segments(self.path)
        if not found:
            return 0
        ends = (_end(each) for each in self.records(first_seq=found[-1].first_seq, end_seq=None))
        return max(ends, default=found[-1].first_seq)

    def records(self, *, first_seq: int | None, end_seq: int | None) -> Iterator[Found]:
        """The records from a number on; damage is told, and reading goes on behind it."""
        found = segments(self.path)
        seq = found[0].first_seq if found else 0
        if first_seq is not None and first_seq < seq:
            yield Overtaken(first_seq, min(seq, end_seq or seq))
        seq = max(seq, first_seq or 0)
        while end_seq is None or seq < end_seq:
            try:
                for record in read_journal(self.path, first_seq=seq, end_seq=end_seq):
                    yield record
                    seq = record.seq + 1
                return
            except WireError as error:
                finding, behind = self._passed(error, seq=seq)
            yield finding
            if behind is None:
                return
            seq = behind

    def newest(self, num: int) -> Iterator[Found]:
        """The last `num` records and perhaps some before them: earlier segments are not read."""
        found = segments(self.path)
        if not found:
            return iter(())
        enough = [each for each in found if found[-1].first_seq - each.first_seq >= num]
        start = (enough or found)[-1 if enough else 0]
        return self.records(first_seq=start.first_seq, end_seq=None)

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it."""
        return check_journal(self.path)

    def notes(self) -> Iterator[str]:
        """None: what a kill leaves in a journal, its next writer cuts off."""
        return iter(())

    def _passed(self, error: WireError, *, seq: int) -> tuple[Finding, int | None]:
        """What stopped the reading, and the number to go on from."""
        behind = next((s for s in segments(self.path) if s.first_seq > seq), None)
        next_segment = None if behind is None else behind.first_seq
        if not isinstance(error, CorruptRecord):
            path = self.path if behind is None else behind.path
            what = str(error)
            return Finding(path=path, offset=0, seq=seq, epoch=0, what=what), next_segment
        is_passable = self._is_readable_from(error.seq + 1)
        what = f"record {error.seq} is not whole"
        finding = Finding(
            path=self._segment_of(error.seq).path,
            offset=error.offset,
            seq=error.seq,
            epoch=error.epoch,
            what=what if is_passable else f"{what}, and hides those behind it in this segment",
        )
        return finding, error.seq + 1 if is_passable else next_segment

    def _segment_of(self, seq: int) -> Segment:
        return [each for each in segments(self.path) if each.first_seq <= seq][-1]

    def _is_readable_from(self, seq: int) -> bool:
        """Whether a record, or the end, is where the damaged one before it says that it is."""
        try:
            next(read_journal(self.path, first_seq=seq, end_seq=seq + 1), None)
        except CorruptRecord as error:
            return error.seq >= seq
        except WireError:
            return True
        return True


def stat_lines(directory: Path) -> Iterator[tuple[str, str]]:
    """What is in a journal: (name, text) each."""
    from engine.observe import quantities

    for name, value in stat_row(directory).items():
        is_size = name == "bytes" and isinstance(value, int)
        yield name, quantities.size(value) if is_size and isinstance(value, int) else str(value)


def stat_row(directory: Path) -> Mapping[str, object]:
    """The same as plain values."""
    found = segments(directory)
    return {
        "journal": str(directory),
        "segments": len(found),
        "packed": sum(each.is_compressed for each in found),
        "bytes": sum(each.num_bytes for each in found),
        "first": found[0].first_seq if found else None,
        "end": JournalSource(directory).end_seq(),
    }


def _end(found: Found) -> int:
    return found.end_seq if isinstance(found, Overtaken) else found.seq + 1
