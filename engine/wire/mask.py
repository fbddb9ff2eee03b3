"""Loss masks on the wire: one bit a token, the lowest bit of a byte first."""

import numpy as np

from engine.wire.fields import Fields
from engine.wire.messages import FLAG, Mask


def pack_mask(mask: Mask) -> bytes:
    """Token i is bit i % 8 of byte i // 8; the bits after the last token are zero."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpack_mask(fields: Fields, key: int, *, num_tokens: int) -> Mask | None:
    """The mask in a field, read-only; None if there is none. Raises QuarantinedRecord."""
    packed = fields.option(key, bytes)
    if packed is None:
        return None
    num_bytes = (num_tokens + 7) // 8
    if len(packed) != num_bytes:
        raise fields.bad(key, f"{num_bytes} bytes, a bit for each of {num_tokens} tokens")
    flags = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    if flags[num_tokens:].any():
        raise fields.bad(key, f"zero in the bits after those of {num_tokens} tokens")
    mask = flags[:num_tokens].view(FLAG)
    mask.setflags(write=False)
    return mask
