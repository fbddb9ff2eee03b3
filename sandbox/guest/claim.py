"""The one frame that a guest sends: what it *claims* about its values, and nothing else.

    size   4 bytes, of all that follows
    token  8 bytes, the call's own
    kind   1 byte, see Kind
    failed 4 bytes, index of the argument list that failed, 0xffffffff for none
    error  1 byte of length, then ASCII
    count  4 bytes, then per value 4 bytes of length and its canonical bytes

The guest owns its address space, so a claim is worth what the guest's text is worth: the host
takes it for "this program says this value" and takes everything else (how the guest ended, what
it cost) from the kernel. The token makes a frame written blindly by the program invalid; it is
no secret from a program that looks for it.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum

CALL_FD = 3
"""Where a guest finds its call: the only descriptor it has."""
TOKEN_BYTES = 8
NO_INDEX = 0xFFFFFFFF
MAX_ERROR = 80
_SIZE = struct.Struct(">I")
_HEAD = struct.Struct(f">{TOKEN_BYTES}sBIB")


class Kind(IntEnum):
    """What a guest may claim about itself."""

    OK = 0
    RAISED = 1
    MEMORY = 2
    OUTPUT = 3
    FORBIDDEN = 4
    UNENCODABLE = 5
    INVALID = 6


def max_frame(num_values: int, value_bytes: int) -> int:
    """Most bytes of a frame with `num_values` values that hold `value_bytes` together."""
    return 4 + _HEAD.size + MAX_ERROR + 4 + 4 * num_values + value_bytes


def pack(
    token: bytes,
    kind: Kind,
    *,
    failed: int | None = None,
    error: str = "",
    values: Sequence[bytes] = (),
) -> bytes:
    """The whole frame."""
    text = error.encode("ascii", "replace")[:MAX_ERROR]
    index = NO_INDEX if failed is None else failed
    parts = [_HEAD.pack(token, kind, index, len(text)), text, _SIZE.pack(len(values))]
    for value in values:
        parts += (_SIZE.pack(len(value)), value)
    body = b"".join(parts)
    return _SIZE.pack(len(body)) + body
