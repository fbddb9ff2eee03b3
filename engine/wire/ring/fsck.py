"""Is a ring what it must be? Every control word, every record, and how they fit together.

Reads only, live or dead ring alike, and what a kill may leave is no finding: a tail behind the last
committed records, a takeover that was cut, a claim by a dead process. Those are notes. A finding is
what no order of stores of the protocol can have left: the file was damaged, cut, or written to by
something else. After a damaged record the check goes on at the next whole one.

Not found: a change that leaves a state which could have been, such as a committed cursor moved to
a later record that had been popped; and changes of bytes that no record uses.
"""

import stat as file_kind
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.findings import Finding
from engine.wire.ring import layout
from engine.wire.ring.claim import Liveness
from engine.wire.ring.header import RingStat
from engine.wire.ring.image import RingImage
from engine.wire.ring.record import Record
from engine.wire.ring.recovery import MAX_UNANNOUNCED
from engine.wire.ring.state import RingState
from engine.wire.ring.walk import Walk

_TAKEOVERS: Final = 5
"""Checks begun anew because a writer took over meanwhile (after a reboot it may cut the ring)."""


def check_ring(path: Path, *, run_id: bytes | None = None) -> Iterator[Finding]:
    """Everything that is wrong with a ring and its doorbell, the control words first.

    With `run_id` it must be that run's. Raises WireError if there is no file.
    """
    if path.is_file() and path.stat().st_size < layout.HEADER_BYTES:
        size = path.stat().st_size
        what = f"the file must begin with a header of {layout.HEADER_BYTES} bytes, is {size}: cut"
        yield Finding(path=path, offset=size, seq=0, epoch=0, what=what)
        return
    with closing(RingImage.open(path)) as image:
        for _ in range(_TAKEOVERS):
            stat = image.stat()
            found = [*_header(image, stat, run_id=run_id), *_records(image, stat)]
            if image.stat().epoch == stat.epoch:
                break
    yield from found
    yield from _doorbell(path, stat)


def ring_notes(path: Path) -> Iterator[str]:
    """What is worth knowing of a ring and is no fault of it. Raises WireError without a header."""
    with closing(RingImage.open(path)) as image:
        stat = image.stat()
    if not stat.is_settled:
        yield "engine and trainer outran every look at the header; look again"
    for name, end, role in (
        ("writer", stat.writer, "engine"),
        ("reader", stat.reader, "trainer"),
    ):
        if end.pid and end.liveness is Liveness.DEAD:
            yield f"the {name}, pid {end.pid}, was killed; the next {role} takes its place"
    for temporary in sorted(path.parent.glob(".*.tmp")):
        yield f"{temporary} is being written, or is left over from a kill: then delete it"


# -- control words


def _word(stat: RingStat, word: int, what: str, *, seq: int | None = None) -> Finding:
    number = stat.next_seq if seq is None else seq
    return Finding(path=stat.path, offset=8 * word, seq=number, epoch=stat.epoch, what=what)


def _header(image: RingImage, stat: RingStat, *, run_id: bytes | None) -> Iterator[Finding]:
    if not stat.is_ring:
        yield _word(stat, layout.MAGIC_WORD, "the magic of a ring must be here, it is not")
    if stat.layout != layout.LAYOUT_VERSION:
        what = f"the layout must be {layout.LAYOUT_VERSION}, is {stat.layout}"
        yield _word(stat, layout.VERSION_WORD, f"{what}; nothing else can be checked")
        return
    if run_id is not None and stat.run_id != run_id:
        what = f"the ring belongs to run {stat.run_id.hex()}, this is run {run_id.hex()}"
        yield _word(stat, layout.RUN_ID, what)
    if stat.checksum is None:
        what = "the kind of checksum must be 1 or 2, is another; records cannot be checked"
        yield _word(stat, layout.CHECKSUM, what)
    elif image.framing is None:
        raise WireError(f"{image.path} is checked by {stat.checksum.name}; install xxhash")
    if stat.state is None:
        states = ", ".join(f"{state.value} ({state.name.lower()})" for state in RingState)
        yield _word(stat, layout.STATE, f"the state must be one of {states}, is another")
    yield from _size(image, stat)


def _size(image: RingImage, stat: RingStat) -> Iterator[Finding]:
    must = layout.HEADER_BYTES + image.capacity
    if stat.capacity != image.capacity:
        what = f"the capacity reads {stat.capacity}, the file has room for "
        room = image.size - layout.HEADER_BYTES
        what += f"{image.capacity}" if image.capacity else f"{room}: neither is a power of two"
        yield _word(stat, layout.CAPACITY, what)
    elif image.size != must:
        how = "cut" if image.size < must else "longer"
        what = f"the file must be {must} bytes, is {image.size}: {how}"
        offset, seq = min(image.size, must), stat.next_seq
        yield Finding(path=image.path, offset=offset, seq=seq, epoch=stat.epoch, what=what)


def _doorbell(path: Path, stat: RingStat) -> Iterator[Finding]:
    bell = path.with_suffix(".bell")
    try:
        mode = bell.lstat().st_mode
    except FileNotFoundError:
        return
    if not file_kind.S_ISFIFO(mode):
        what = "the doorbell must be a FIFO, is something else; delete it"
        yield Finding(path=bell, offset=0, seq=stat.next_seq, epoch=stat.epoch, what=what)


# -- records


def _records(image: RingImage, stat: RingStat) -> Iterator[Finding]:
    if stat.layout != layout.LAYOUT_VERSION:
        return
    walk, epochs = Walk(image, stat), _Epochs(stat)
    for found in walk:
        if isinstance(found, Finding):
            yield found
        elif isinstance(found, Record):
            yield from epochs.check(found, offset=walk.offset)
    yield from epochs.findings()
    is_passed = image.committed() != stat.committed and walk.seq_at_tail is None
    if image.framing is not None and image.capacity and stat.is_settled and not is_passed:
        yield from _tail(stat, walk)
        yield from _numbers(stat, walk)


def _tail(stat: RingStat, walk: Walk) -> Iterator[Finding]:
    end, at_tail = walk.place, walk.seq_at_tail
    ends = f"the tail says the records end at position {stat.tail}"
    if not walk.has_tail or end.position < stat.tail:
        what = f"{ends}, they end at {end.position}"
        yield _word(stat, layout.TAIL, what, seq=end.seq)
    elif at_tail is None:
        yield _word(stat, layout.TAIL, f"{ends}, which is inside of one", seq=end.seq)
    elif end.seq < stat.next_seq or at_tail > stat.next_seq:
        what = f"the next record has number {max(end.seq, at_tail)}, this says {stat.next_seq}"
        yield _word(stat, layout.NEXT_SEQ, what, seq=max(end.seq, at_tail))
    elif stat.next_seq - at_tail > (MAX_UNANNOUNCED if stat.writer.pid else 0):
        what = f"{ends} before number {at_tail}, there are whole ones up to {stat.next_seq}"
        yield _word(stat, layout.TAIL, what)


def _numbers(stat: RingStat, walk: Walk) -> Iterator[Finding]:
    first, end = walk.first.seq, max(walk.place.seq, walk.seq_at_tail or 0)
    # After a reboot the writer may cut the ring below what a reader of before had popped.
    is_rebooted = stat.reader.boot != stat.writer.boot
    if stat.read_seq < first or (stat.read_seq > end and not is_rebooted):
        what = f"the next record to pop must be of {first} to {end}, this says {stat.read_seq}"
        yield _word(stat, layout.READ_SEQ, what, seq=end)
    if stat.epoch_seq > end + MAX_UNANNOUNCED:
        what = f"epoch {stat.epoch} began with a record up to {end}, this says {stat.epoch_seq}"
        yield _word(stat, layout.EPOCH_SEQ, what, seq=end)


class _Epochs:
    """Whether the records are of the writers that the header tells of."""

    def __init__(self, stat: RingStat) -> None:
        self._stat = stat
        self._newest = 0
        self._wrong: Record | None = None
        """The first record that contradicts the header."""

    def check(self, record: Record, *, offset: int) -> Iterator[Finding]:
        """Take in the next record; what is wrong with it alone."""
        stat, epoch = self._stat, record.epoch
        if epoch < self._newest:
            what = (
                f"record {record.seq} is of epoch {epoch}, one before it of {self._newest}: "
                "a writer that had been replaced wrote it"
            )
            yield Finding(path=stat.path, offset=offset, seq=record.seq, epoch=epoch, what=what)
            return
        self._newest = epoch
        is_of_newest = record.seq >= stat.epoch_seq
        if self._wrong is None and (epoch > stat.epoch or (is_of_newest and epoch != stat.epoch)):
            self._wrong = record

    def findings(self) -> Iterator[Finding]:
        """What all of them together say of the header's words."""
        stat, wrong = self._stat, self._wrong
        if wrong is None:
            return
        what = f"record {wrong.seq} is of epoch {wrong.epoch}; the header says that epoch "
        what += f"{stat.epoch} began with record {stat.epoch_seq}"
        word = layout.EPOCH_SEQ if self._newest == stat.epoch else layout.EPOCH
        yield _word(stat, word, what, seq=wrong.seq)
