"""What is wrong with a stretch of a ring in which no whole entry was found.

Given are the place before the stretch and the place behind it, so it is known which records are
missing. Where each of them began is told by the length of the one before, if the header that it
leads to has the right number, or else by searching for that number; what cannot be placed is
counted. Of a damaged record it is said which word is damaged, if a word can be named with which
all else is whole again.
"""

from collections.abc import Iterator
from itertools import pairwise
from struct import Struct
from typing import Final, NamedTuple

from engine.wire.findings import Finding
from engine.wire.ring import layout
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.header import RingStat
from engine.wire.ring.image import RecordHeader, RingImage
from engine.wire.ring.layout import PADDING, RECORD_BYTES, max_payload, record_size
from engine.wire.ring.record import Entry

_header: Final = Struct("<QQQQ")
_EPOCH_SHIFT: Final = 32
_SCHEMA_MASK: Final = (1 << _EPOCH_SHIFT) - 1
_MANY_EPOCHS: Final = 64
"""Writers that are tried for one damaged record."""


class Place(NamedTuple):
    """Where an entry must have been."""

    position: int
    seq: int
    is_padding: bool


def findings(
    image: RingImage, stat: RingStat, *, start: Cursor, end: Cursor, epochs: range
) -> Iterator[Finding]:
    """One for each damaged entry from `start` to `end`, in order.

    `epochs` are those from the last whole record before to the first one behind.
    """
    places = list(_places(image, start=start, end=end, epochs=epochs))
    for place, behind in pairwise([*places, Place(end.position, end.seq, is_padding=False)]):
        room = behind.position - place.position
        of_epochs = _written_by(place.seq, stat, epochs=epochs)
        what, epoch = _diagnosed(image, place, room=room, epochs=of_epochs)
        offset = image.offset(place.position)
        yield Finding(path=image.path, offset=offset, seq=place.seq, epoch=epoch, what=what)
        missing = range(place.seq + (not place.is_padding), behind.seq)
        if missing:
            what = (
                f"{_numbered(missing)} must follow before byte {image.offset(behind.position)}, "
                "not even a header is there"
            )
            offset = image.offset(place.position + RECORD_BYTES)
            yield Finding(path=image.path, offset=offset, seq=missing[0], epoch=epoch, what=what)


def _written_by(seq: int, stat: RingStat, *, epochs: range) -> range:
    """The epochs that a record of this number can have: the newest has a first record."""
    if stat.epoch not in epochs:
        return epochs
    return range(stat.epoch, stat.epoch + 1) if seq >= stat.epoch_seq else epochs


def _places(image: RingImage, *, start: Cursor, end: Cursor, epochs: range) -> Iterator[Place]:
    position, seq = start
    lap = position - position % image.capacity + image.capacity
    if _is_padding(image, start, lap=lap, end=end):
        yield Place(position, seq, is_padding=True)
        position = lap
    while position < end.position:
        yield Place(position, seq, is_padding=False)
        if seq >= end.seq:
            return  # bytes between two entries where none must be
        behind = _behind(image, Cursor(position, seq), end=end, epochs=epochs)
        padding = _padding_behind(image, position, seq=seq + 1, until=behind.position)
        if padding is not None:
            yield padding
        position, seq = behind


def _is_padding(image: RingImage, start: Cursor, *, lap: int, end: Cursor) -> bool:
    """Whether the entry of number `start.seq` begins the next lap, so that this is not it."""
    if lap == end.position:
        return start.seq == end.seq
    header = image.header(lap) if lap < end.position else None
    return header is not None and header.seq == start.seq


def _behind(image: RingImage, place: Cursor, *, end: Cursor, epochs: range) -> Cursor:
    """Where the next record behind a damaged one has its header, or else the end."""
    header = image.header(place.position)
    if header is not None and _could_be_record(image, header) and place.seq + 1 < end.seq:
        guess = Cursor(place.position + header.size, place.seq + 1)
        if guess.position < end.position and _could_be(image, guess, epochs=epochs):
            return guess
    later = range(place.seq + 1, end.seq)
    start = place.position + RECORD_BYTES
    for at in image.numbered(later, start=start, end=end.position):
        found = image.header(at)
        if found is not None and found.epoch in epochs:
            return Cursor(at, found.seq)
    return end


def _could_be(image: RingImage, place: Cursor, *, epochs: range) -> bool:
    """Whether two of the three words that are known about a header are right."""
    header = image.header(place.position)
    if header is None:
        return False
    signs = (header.seq == place.seq, header.epoch in epochs, _could_be_record(image, header))
    return sum(signs) >= 2


def _could_be_record(image: RingImage, header: RecordHeader) -> bool:
    return 0 < header.commit <= max_payload(image.capacity) + 1


def _padding_behind(image: RingImage, position: int, *, seq: int, until: int) -> Place | None:
    """Padding that is damaged like the record before it, which is at `position`."""
    header = image.header(position)
    if until % image.capacity or header is None:
        return None
    at = position + header.size
    padding = image.header(at) if _could_be_record(image, header) and at < until else None
    if padding is None or not (padding.seq == seq or padding.commit == PADDING | until - at):
        return None
    return Place(at, seq, is_padding=True)


def _diagnosed(image: RingImage, place: Place, *, room: int, epochs: range) -> tuple[str, int]:
    """What is wrong with the entry at a place, and which writer must have written it."""
    header = image.header(place.position)
    name = "the padding up to the end of the lap" if place.is_padding else f"record {place.seq}"
    nearest = epochs[0] if epochs else 0
    if header is None:
        return f"{name} must be here, which is beyond the end of the file", nearest
    if not any(header):
        return f"{name} must be here, there are zeros", nearest
    for text, candidate in _candidates(header, place, room=room, epochs=epochs):
        if _is_whole_with(image, place, candidate, room=room):
            return f"{name} is here, but {text}; all else of it is whole", candidate.epoch
    epoch = header.epoch if header.epoch in epochs else nearest
    is_cut = image.size < layout.HEADER_BYTES + image.capacity
    if is_cut and image.offset(place.position) + header.size > image.size:
        return f"{name} is here, cut by the end of the file", epoch
    if header.commit == 0:
        return f"{name} must be here, its commit word is 0 (not written) and more is wrong", epoch
    if header.seq == place.seq:
        return f"{name} is here, but its checksum does not fit what it says and holds", epoch
    return f"{name} must be here, what is there is not whole and says it is {header.seq}", epoch


def _candidates(
    header: RecordHeader, place: Place, *, room: int, epochs: range
) -> Iterator[tuple[str, RecordHeader]]:
    """The header with one word as it must have been."""
    number = header._replace(seq=place.seq)
    yield f"its number reads {header.seq}", number
    if place.is_padding:
        commits = range(PADDING | room, (PADDING | room) + 1)
    else:
        fullest = room - RECORD_BYTES + 1
        commits = range(max(1, fullest - RECORD_BYTES + 1), fullest + 1)
    for commit in commits:
        text = f"its commit word reads {header.commit:#x} instead of {commit:#x}"
        yield text, header._replace(commit=commit)
    schema = header.stamp & _SCHEMA_MASK
    for epoch in epochs[:_MANY_EPOCHS]:
        stamp = schema | epoch << _EPOCH_SHIFT
        yield f"its epoch reads {header.epoch} instead of {epoch}", header._replace(stamp=stamp)


def _is_whole_with(image: RingImage, place: Place, header: RecordHeader, *, room: int) -> bool:
    entry = _parsed(image, place, header, room=room)
    return entry is not None and entry.is_padding == place.is_padding


def _parsed(image: RingImage, place: Place, header: RecordHeader, *, room: int) -> Entry | None:
    is_possible = place.is_padding or _could_be_record(image, header)
    if image.framing is None or header.size > room or not is_possible:
        return None
    length = RECORD_BYTES if place.is_padding else min(room, record_size(header.commit))
    patched = bytearray(image.read(place.position, length=length))
    patched[:RECORD_BYTES] = _header.pack(*header)
    end = header.size if place.is_padding else len(patched)
    longest = max_payload(image.capacity)
    return image.framing.parse(memoryview(patched), 0, end=end, longest=longest, seq=place.seq)


def _numbered(seqs: range) -> str:
    return f"record {seqs[0]}" if len(seqs) == 1 else f"records {seqs[0]} to {seqs[-1]}"
