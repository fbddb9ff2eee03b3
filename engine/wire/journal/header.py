"""What stands before the records of a segment: whose, which is the first, how they are checked.

    8 bytes "KELVJRNL" | u32 version | u32 checksum of the records | 16 bytes run id
    u64 first seq | u64 seq at which the segment before it ended | u64 0 | u64 CRC of all this

A segment gets its name only once its header is on disk, so under that name the header is whole,
whatever a crash does; one that is not has been damaged. The number at which the segment before it
ended tells numbers that the writer skipped on purpose from records that are missing.
"""

from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from engine.wire.checksum import Checksum, record_hash
from engine.wire.errors import WireError

HEADER_BYTES: Final = 64
JOURNAL_VERSION: Final = 1
MAX_SEGMENT_BYTES: Final = 1 << 28
"""No segment is larger: what a damaged or hostile one can make a reader allocate."""

_REMEDY: Final = "restore the file, or move it out of the directory"
_MAGIC: Final = b"KELVJRNL"
_fields: Final = Struct("<8sII16sQQQ")
_check: Final = Struct("<Q")
_crc: Final = record_hash(Checksum.CRC32, of="a segment's header")


class Header(NamedTuple):
    """The header of one segment."""

    checksum: int
    """A number of `Checksum`: how its records are checked."""
    run_id: bytes
    first_seq: int
    previous_end: int
    """Where the segment before it ended: `first_seq`, or less if the writer skipped numbers."""

    def to_bytes(self) -> bytes:
        """The 64 bytes."""
        checksum, run_id, first_seq, previous_end = self
        plain = _fields.pack(_MAGIC, JOURNAL_VERSION, checksum, run_id, first_seq, previous_end, 0)
        return plain + _check.pack(_crc(plain, 0))


def parse_header(data: bytes, *, path: Path, first_seq: int) -> Header:
    """The header that begins `data`. Raises WireError, naming `path`, if there is none.

    `first_seq` is the number in the file's name, which the header must repeat.
    """
    plain, check = data[: _fields.size], data[_fields.size : HEADER_BYTES]
    if len(data) < HEADER_BYTES or _check.unpack(check)[0] != _crc(plain, 0):
        raise WireError(
            f"{path} must begin with the header of a segment, its checksum is wrong; {_REMEDY}"
        )
    magic, version, checksum, run_id, first, previous_end, _ = _fields.unpack(plain)
    if magic != _MAGIC:
        raise WireError(f"{path} is not a segment of a journal: its magic is {magic!r}; {_REMEDY}")
    if version != JOURNAL_VERSION:
        raise WireError(
            f"{path} has journal version {version}, this kelvin reads {JOURNAL_VERSION}; use the "
            "kelvin that wrote it"
        )
    if first != first_seq:
        raise WireError(
            f"{path} must begin with seq {first_seq}, its header says {first}; {_REMEDY}"
        )
    return Header(checksum, run_id, first, previous_end)
