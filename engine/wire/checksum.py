"""Checksums that tell accident from intent: of records, and of tensors.

xxh3 where the package `xxhash` is installed, which is 16 to 50 GB/s and so no cost; CRC-32 and
BLAKE2b of the standard library where it is not. Both ends need the same one, so whoever founds a
ring or publishes weights writes down which it was, and a reader takes that one or says that it
cannot. None of them keeps a forger out: who may write these files may write anything.
"""

import hashlib
import zlib
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import Final

from engine.wire.errors import WireError

xxhash: ModuleType | None
try:
    import xxhash
except ImportError:
    xxhash = None

Buffer = bytes | bytearray | memoryview
RecordHash = Callable[[Buffer, int], int]
"""(bytes, seed of 64 bits) to 64 bits."""


class Checksum(IntEnum):
    """How records are checked; the number is in the ring's header."""

    XXH3 = 1
    CRC32 = 2


PREFERRED: Final = Checksum.CRC32 if xxhash is None else Checksum.XXH3


def record_hash(kind: int, *, of: object) -> RecordHash:
    """The function that checks records. Raises WireError, naming `of`, if it is not to be had."""
    if kind == Checksum.CRC32:
        return _crc32
    if kind == Checksum.XXH3 and xxhash is not None:
        function: RecordHash = xxhash.xxh3_64_intdigest
        return function
    known = kind in Checksum.__members__.values()
    raise WireError(
        f"{of} is checked by {Checksum(kind).name if known else f'checksum {kind}'}; "
        + ("install xxhash" if known else "the file is damaged, or of another kelvin")
    )


def hex_digest(data: Buffer) -> str:
    """128 bits of a tensor, or of anything, as hex; begins with `b2-` if it is BLAKE2b."""
    if xxhash is not None:
        digest: str = xxhash.xxh3_128_hexdigest(data)
        return digest
    return f"b2-{hashlib.blake2b(data, digest_size=16).hexdigest()}"


def _crc32(data: Buffer, seed: int) -> int:
    # 32 bits detect; the other half keeps the seed's, so that a header is never mistaken.
    return zlib.crc32(data, seed & 0xFFFFFFFF) | (seed ^ seed << 32) & 0xFFFFFFFF00000000
