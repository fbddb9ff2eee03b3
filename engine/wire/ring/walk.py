"""Along the records of a ring, past what is damaged and past what has gone meanwhile.

A record is given only if it is whole. Where one is not, there are two reasons, and they are told
apart: bytes may be overwritten only once the committed cursor has passed them, and the cursor is
read *after* the bytes. If it has passed, the walk was overtaken and goes on at the cursor; if it
has not, the record is damaged, and the walk goes on at the next entry that is whole and whose
number is higher. Bytes of an earlier lap are never taken for one: their numbers are lower.
"""

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.wire.findings import Finding
from engine.wire.ring import damage
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.header import RingStat
from engine.wire.ring.image import RingImage
from engine.wire.ring.layout import RECORD_BYTES
from engine.wire.ring.record import Entry, Record

_REREADS: Final = 20
"""Looks at what is not whole: its stores may not be visible yet (not on x86)."""


class Overtaken(NamedTuple):
    """Records that were committed, and perhaps overwritten, before the walk came to them."""

    first_seq: int
    end_seq: int


Found = Record | Overtaken | Finding


class Walk:
    """The entries that a ring had when `stat` was taken, in order; damage does not end it."""

    __slots__ = (
        "_distrusted",
        "_first",
        "_image",
        "_is_begun",
        "_is_over",
        "_stat",
        "epoch",
        "offset",
        "place",
        "seq_at_tail",
    )

    def __init__(self, image: RingImage, stat: RingStat, *, start: Cursor | None = None) -> None:
        """Begins at the committed cursor, or at a place that another walk has come to."""
        self._image = image
        self._stat = stat
        self._distrusted: Cursor | None = None
        self._is_begun = start is not None
        self._is_over = not image.capacity or image.framing is None
        self._first = max(start or stat.committed, stat.committed)
        self.place = start or stat.committed
        """Where the walk has come to."""
        self.offset = 0
        """Where in the file the last whole entry was, bytes."""
        self.epoch = 0
        """The epoch of the last whole entry."""
        self.seq_at_tail: int | None = None
        """The number of the next record where the tail is; None until the walk has been there."""

    @property
    def first(self) -> Cursor:
        """Where the walk began: the committed cursor, unless the records contradict it."""
        return self._first

    @property
    def has_tail(self) -> bool:
        """Whether the tail can be where the records end, as far as the cursor can tell."""
        return 0 <= self._stat.tail - self._first.position <= self._image.capacity

    def __iter__(self) -> Iterator[Found]:
        if not self._is_begun and not self._is_over:
            self._is_begun = True
            yield from self._begin()
        self._go(self.place)
        while not self._is_over and self._is_before_end():
            entry = self._entry()
            if entry is None:
                yield from self._pass_gap()
                continue
            position, seq = self.place
            self.offset, self.epoch = self._image.offset(position), entry.record.epoch
            self._go(Cursor(position + entry.size, seq + (not entry.is_padding)))
            if not entry.is_padding:
                yield entry.record

    def _go(self, place: Cursor) -> None:
        self.place = place
        if place.position == self._stat.tail:
            self.seq_at_tail = place.seq

    def _is_before_end(self) -> bool:
        # Committed records may lie behind the tail, until they are announced.
        is_before_tail = self.has_tail and self.place.position < self._stat.tail
        return is_before_tail or self.place.seq < self._stat.next_seq

    @property
    def _limit(self) -> int:
        """No record of now ends behind this position, unless it is not announced."""
        return self._stat.tail if self.has_tail else self._first.position + self._image.capacity

    def _entry(self) -> Entry | None:
        position, seq = self.place
        for _ in range(_REREADS):
            entry = self._image.entry(position, seq=seq)
            if entry is not None:
                return entry
            os.sched_yield()
        return None

    # -- where nothing whole is

    def _pass_gap(self) -> Iterator[Found]:
        now = self._image.committed()
        if now.position > self.place.position and now != self._distrusted:
            if now.seq > self.place.seq:
                yield Overtaken(self.place.seq, now.seq)
            self._go(now)
            return
        behind, epoch = self._next_whole()
        if behind is None:
            behind = self._end()
            self._is_over = True
        if behind is None:
            return
        newest = epoch or max(self._stat.epoch, self.epoch)
        yield from damage.findings(
            self._image,
            self._stat,
            start=self.place,
            end=behind,
            epochs=range(self.epoch or min(1, newest), newest + 1),
        )
        self._go(behind)

    def _next_whole(self) -> tuple[Cursor | None, int]:
        """The first whole entry behind this place that can belong here, and its epoch."""
        position, seq = self.place
        start = position + RECORD_BYTES
        seqs = range(seq, seq + max(0, self._limit - position) // RECORD_BYTES)
        for found in self._image.numbered(seqs, start=start, end=self._limit):
            entry = self._image.entry(found)
            if entry is not None and entry.record.epoch >= self.epoch:
                return Cursor(found, entry.record.seq), entry.record.epoch
        return None, 0

    def _end(self) -> Cursor | None:
        """The end of the records, if some must lie between here and there."""
        position, seq = self.place
        missing = self._stat.next_seq - seq
        room = self._limit - position
        is_padding_due = missing == 0 and self._limit % self._image.capacity == 0
        if room <= 0 or not (missing or is_padding_due):
            return None
        if not self.has_tail:
            return Cursor(position + RECORD_BYTES, seq + 1)
        is_sane = 0 <= missing <= room // RECORD_BYTES
        return Cursor(self._limit, self._stat.next_seq if is_sane else seq + 1)

    # -- where to begin

    def _begin(self) -> Iterator[Finding]:
        cursor = self._stat.committed
        is_of_a_record = not cursor.position % RECORD_BYTES and self._entry() is not None
        if self._is_at_end() or (is_of_a_record and not self._is_laps_away()):
            return
        start = self._same_lap() if is_of_a_record else self._true_start()
        if start is None or start == cursor or self._image.committed() != cursor:
            return  # the record is damaged, or was overtaken: the walk will see
        self._distrusted, self.place, self._first = cursor, start, start
        yield Finding(
            path=self._image.path,
            offset=8 * self._stat.cursor_word,
            seq=start.seq,
            epoch=self._stat.epoch,
            what=(
                f"the committed cursor says record {cursor.seq}, position {cursor.position}; "
                f"the records say {start.seq}, {start.position}"
            ),
        )

    def _is_at_end(self) -> bool:
        return self.place == (self._stat.tail, self._stat.next_seq)

    def _is_laps_away(self) -> bool:
        """Whether not only the tail but also the cursor before contradicts this one."""
        distance = abs(self._stat.committed.position - self._stat.beside.position)
        return not self.has_tail and distance > self._image.capacity

    def _same_lap(self) -> Cursor:
        position, seq = self._stat.committed
        tail = self._stat.tail
        return Cursor(tail - (tail - position) % self._image.capacity, seq)

    def _true_start(self) -> Cursor | None:
        """What the committed cursor must have been, if the records contradict it."""
        position, seq = self._stat.committed
        window = self._window()
        if any((end - position) % self._image.capacity == 0 for end in self._ends(seq - 1)):
            return None  # what was consumed last ends there
        found = [Cursor(at, seq) for at in self._starts(range(seq, seq + 1))]
        here = self._image.entry(position) if position in window else None
        if here is not None:
            found.append(Cursor(position, here.record.seq))
        found = found or [Cursor(end, seq) for end in self._ends(seq - 1)]
        if found or position in window:
            return min(found, default=None)
        at = next(self._starts(range(self._stat.next_seq)), None)
        entry = None if at is None else self._image.entry(at)
        return None if entry is None or at is None else Cursor(at, entry.record.seq)

    def _window(self) -> range:
        """Positions whose bytes are of the newest lap."""
        end = self._stat.tail & -RECORD_BYTES
        return range(max(0, end - self._image.capacity), end, RECORD_BYTES)

    def _starts(self, seqs: range) -> Iterator[int]:
        """Where whole entries with such a number begin."""
        window = self._window()
        for at in self._image.numbered(seqs, start=window.start, end=window.stop):
            if self._image.entry(at) is not None:
                yield at

    def _ends(self, seq: int) -> Iterator[int]:
        """Where whole records of that number end."""
        for at in self._starts(range(seq, seq + 1)):
            entry = self._image.entry(at)
            if entry is not None and not entry.is_padding:
                yield at + entry.size
