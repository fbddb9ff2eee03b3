"""Where a ring ends: the records are walked, and only whole ones count.

What a killed writer had announced is there, and perhaps more: records that were committed and not
announced yet. Both are found, so recovering is idempotent.
"""

import logging
from typing import Final

from engine.wire.errors import WireError
from engine.wire.ring import layout
from engine.wire.ring.cursor import Cursor, load_cursor
from engine.wire.ring.memory import RingMemory

MAX_UNANNOUNCED: Final = 256
"""Most records that a writer commits before it announces them."""

_log = logging.getLogger(__name__)


def recover(memory: RingMemory, *, is_rebooted: bool = False) -> Cursor:
    """Where the next record goes, and its number: the end of the whole records. Changes nothing.

    Raises WireError if records that had been published are no longer whole. After a reboot that is
    to be expected (memory reached the disk in any order), and the ring ends before them.
    """
    end = _walk(memory)
    tail, next_seq = memory.load(layout.TAIL), memory.load(layout.NEXT_SEQ)
    # More than was announced may be there: its writer died before it could say so.
    is_sane = end.position % layout.RECORD_BYTES == 0 and end.seq <= next_seq + MAX_UNANNOUNCED
    if is_sane and end.position >= tail and end.seq >= next_seq:
        return end
    found = f"{memory.path} has whole records up to seq {end.seq}, {next_seq} were published"
    if not (is_sane and is_rebooted):
        raise WireError(
            f"{found}; the file is damaged: delete it, and push again what was not consumed, "
            f"from seq {load_cursor(memory).seq}"
        )
    _log.warning("%s before the reboot; the rest must be pushed again", found)
    return end


def _walk(memory: RingMemory) -> Cursor:
    start = load_cursor(memory)
    position, seq = start
    epoch, newest = 0, memory.load(layout.EPOCH)
    while position - start.position < memory.capacity:
        entry = memory.entry(position, seq=seq)
        # Epochs never fall along the ring: a lower one is left over from before a truncation.
        if entry is None or not epoch <= entry.record.epoch <= newest:
            break
        position, epoch = position + entry.size, entry.record.epoch
        seq += not entry.is_padding
    return Cursor(position, seq)


def check_same_ring(memory: RingMemory, *, capacity: int, run_id: bytes) -> None:
    """WireError if the ring has another capacity, or is another run's."""
    if memory.capacity != capacity:
        raise WireError(
            f"{memory.path} has a capacity of {memory.capacity} bytes, {capacity} were asked for; "
            "set the capacity back, or delete the ring when it is drained"
        )
    seen = memory.read(8 * layout.RUN_ID, length=16)
    if seen != run_id:
        raise WireError(
            f"{memory.path} belongs to run {seen.hex()}, this is run {run_id.hex()}; "
            "use one run directory a run"
        )
