"""Where things are in a ring file.

    page 0     control words, u64 little-endian, each alone on a 128-byte line so that two cores
               never fight over one; every word has one writer
    then       `capacity` bytes of records; positions are monotonic u64 byte counts and a record
               lies at position mod capacity, so empty is tail == head and no byte is sacrificed

A record, aligned to 32 bytes:

    u64 commit     payload length + 1; 0 = not written; written last. With PADDING set: nothing
                   fits before the end of the file, skip this many bytes
    u64 seq        dense, 0, 1, 2, ... over the life of the run; padding has its successor's
    u64 checksum   over epoch, seq, length, schema and payload
    u32 schema     how to decode the payload
    u32 epoch      which writer wrote it
    payload        padded to 32 bytes
"""

from typing import Final

MAGIC: Final = int.from_bytes(b"KELVRING", "little")
LAYOUT_VERSION: Final = 2

HEADER_BYTES: Final = 4096
RECORD_BYTES: Final = 32
"""Size of a record's header, and the alignment of records."""
MIN_CAPACITY: Final = 4096
PADDING: Final = 1 << 63

_LINE: Final = 128 // 8

# Written once, at creation.
MAGIC_WORD: Final = 0 * _LINE
VERSION_WORD: Final = 1 * _LINE
CAPACITY: Final = 2 * _LINE
RUN_ID: Final = 3 * _LINE  # two words
CHECKSUM: Final = 18 * _LINE  # which one the records have

# The writer's.
WRITER_CLAIM: Final = 4 * _LINE  # four words: pid, start ticks, boot, token
WRITER_HEARTBEAT: Final = 5 * _LINE
EPOCH: Final = 6 * _LINE
EPOCH_SEQ: Final = 7 * _LINE
NEXT_SEQ: Final = 8 * _LINE
TAIL: Final = 9 * _LINE
STATE: Final = 10 * _LINE
WANTS_SPACE: Final = 11 * _LINE  # nonzero: the reader rings the doorbell after a commit
REASON: Final = 24 * _LINE
REASON_BYTES: Final = 512

# The reader's. The committed cursor is a pair (position, seq) in one of two places; the parity
# of the generation says which, so that the pair changes by one store.
READER_CLAIM: Final = 12 * _LINE  # four words, alike
READER_HEARTBEAT: Final = 13 * _LINE
READER_ASLEEP: Final = 19 * _LINE  # nonzero: it sleeps on the tail, or is about to
READ_SEQ: Final = 14 * _LINE
CURSOR_GENERATION: Final = 15 * _LINE
CURSORS: Final = (16 * _LINE, 17 * _LINE)  # two words each: position, seq


def record_size(payload_bytes: int) -> int:
    """Bytes that a payload occupies in the ring, its header included."""
    return (RECORD_BYTES + payload_bytes + RECORD_BYTES - 1) & -RECORD_BYTES


def max_payload(capacity: int) -> int:
    """The largest payload a ring takes: with its padding it can never fill the ring by itself."""
    return capacity // 8
