"""The header of a ring at one moment, as plain numbers."""

import time
from dataclasses import dataclass
from pathlib import Path

from engine.wire.checksum import Checksum
from engine.wire.process import ProcessIdentity
from engine.wire.ring import claim, layout
from engine.wire.ring.claim import Liveness
from engine.wire.ring.cursor import Cursor
from engine.wire.ring.state import RingState


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStat:
    """The process at one end of a ring."""

    pid: int
    """0 if nobody has opened this end, or the last one has let go of it."""
    start_ticks: int
    """When it started, clock ticks since boot: tells it from others of that pid."""
    boot: int
    """Hash of the boot it ran in."""
    liveness: Liveness
    """Hung also at once if the process is suspended."""
    is_suspended: bool
    """Stopped by SIGSTOP or a debugger; only it can be woken by SIGCONT."""
    heartbeat_age_s: float | None
    """Since it last showed that it runs; None if never, or before the machine was last booted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingStat:
    """The header of a ring at one moment, as it is there: none of it has been checked."""

    path: Path
    file_bytes: int
    is_ring: bool
    """The magic is right."""
    layout: int
    """Version of the layout."""
    capacity: int
    """Bytes for records."""
    run_id: bytes
    """The 16 bytes of the run."""
    checksum: Checksum | None
    """How records are checked; None if the word is none of ours."""
    epoch: int
    """How many writers there have been."""
    epoch_seq: int
    """The first record of the newest writer."""
    next_seq: int
    """The number of the next record to be pushed."""
    tail: int
    """Where the published records end, bytes since the ring was founded."""
    read_seq: int
    """The number of the next record to be popped."""
    committed: Cursor
    """Everything before it is durable in the reader, and its space is free."""
    cursor_word: int
    """Which control word holds `committed`."""
    beside: Cursor
    """The cursor before that one, or a part of the next one; 0 if there was no commit."""
    state: RingState | None
    """How far the writer says it has got; None if the word is none of ours."""
    reason: str
    """Why it says so."""
    writer: EndStat
    reader: EndStat
    is_settled: bool
    """All of it is of one moment. False only if both ends outran every look."""

    @property
    def used_bytes(self) -> int:
        """Bytes that no commit has freed, padding included."""
        return self.tail - self.committed.position

    @property
    def free_bytes(self) -> int:
        """Bytes that the writer can have."""
        return self.capacity - self.used_bytes

    @property
    def num_waiting(self) -> int:
        """Records published and not popped."""
        return self.next_seq - self.read_seq

    @property
    def num_uncommitted(self) -> int:
        """Records published and not committed."""
        return self.next_seq - self.committed.seq


def read_header(page: bytes, *, path: Path, file_bytes: int, is_settled: bool) -> RingStat:
    """What the first page of a ring says; believes all of it."""
    words = memoryview(page).cast("Q")
    parity = words[layout.CURSOR_GENERATION] & 1
    at, beside = layout.CURSORS[parity], layout.CURSORS[1 - parity]
    checksum, state = words[layout.CHECKSUM], words[layout.STATE]
    reason = page[8 * layout.REASON : 8 * layout.REASON + layout.REASON_BYTES]
    return RingStat(
        path=path,
        file_bytes=file_bytes,
        is_ring=words[layout.MAGIC_WORD] == layout.MAGIC,
        layout=words[layout.VERSION_WORD],
        capacity=words[layout.CAPACITY],
        run_id=page[8 * layout.RUN_ID : 8 * layout.RUN_ID + 16],
        checksum=Checksum(checksum) if checksum in list(Checksum) else None,
        epoch=words[layout.EPOCH],
        epoch_seq=words[layout.EPOCH_SEQ],
        next_seq=words[layout.NEXT_SEQ],
        tail=words[layout.TAIL],
        read_seq=words[layout.READ_SEQ],
        committed=Cursor(words[at], words[at + 1]),
        cursor_word=at,
        beside=Cursor(words[beside], words[beside + 1]),
        state=RingState(state) if state in list(RingState) else None,
        reason=reason.split(b"\0", 1)[0].decode(errors="replace"),
        writer=_end_stat(words, claim.WRITER),
        reader=_end_stat(words, claim.READER),
        is_settled=is_settled,
    )


def _end_stat(words: "memoryview[int]", end: claim.End) -> EndStat:
    pid, start_ticks, boot = (words[end.claim + i] for i in range(3))
    beat = words[end.heartbeat]
    who = ProcessIdentity(pid=pid, start_ticks=start_ticks, boot=boot)
    is_of_this_boot = boot == ProcessIdentity.current().boot
    age_s = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - beat) / 1e9
    is_suspended = who.is_suspended()
    if beat == 0:
        liveness = Liveness.NEVER
    elif not who.is_alive():
        liveness = Liveness.DEAD
    else:
        is_hung = is_suspended or age_s > claim.HUNG_AFTER_S
        liveness = Liveness.HUNG if is_hung else Liveness.ALIVE
    return EndStat(
        pid=pid,
        start_ticks=start_ticks,
        boot=boot,
        liveness=liveness,
        is_suspended=is_suspended,
        heartbeat_age_s=age_s if beat and is_of_this_boot else None,
    )
