"""Whole segments to Zstandard and back; needs the package `zstandard`, of the extra `zstd`.

The output of decompression is bounded, and so is the window that a file may ask for, whatever the
file says: a few bytes can claim to be terabytes.
"""

import importlib
import io
from contextlib import suppress
from types import ModuleType
from typing import Final

from engine.wire.errors import WireError

_LEVEL: Final = 3
_MAX_WINDOW: Final = 1 << 27
_CHUNK: Final = 1 << 20


def require_zstd(purpose: str) -> ModuleType:
    """The package. Raises WireError, saying what it is needed for, if it is not installed."""
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise WireError(
            f"{purpose} needs the package zstandard; pip install 'kelvin-rl[zstd]'"
        ) from error


def compress(data: bytes) -> bytes:
    """One frame, with size and checksum of the content."""
    zstd = require_zstd("compressing the journal")
    packed: bytes = zstd.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)
    return packed


def decompress(packed: bytes, *, most: int, of: object) -> tuple[bytes, str]:
    """The content, and what is wrong with it: "" if it is one whole frame of <= `most` bytes.

    A damaged frame gives what comes before the damage; nothing in it is checked. WireError, naming
    `of`, without the package.
    """
    zstd = require_zstd(f"reading {of}")
    try:
        claimed = zstd.frame_content_size(packed)
        if not 0 <= claimed <= most:
            raise zstd.ZstdError(f"it must say that it holds up to {most} bytes, says {claimed}")
        content: bytes = zstd.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstd.ZstdError as error:
        return _beginning(zstd, packed, most=most), f"it cannot be decompressed: {error}"
    return content, ""


def _beginning(zstd: ModuleType, packed: bytes, *, most: int) -> bytes:
    """What can be decompressed of a damaged frame, up to `most` bytes."""
    content = bytearray()
    decompressor = zstd.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    with suppress(zstd.ZstdError), decompressor.stream_reader(io.BytesIO(packed)) as stream:
        while len(content) < most and (chunk := stream.read(min(_CHUNK, most - len(content)))):
            content += chunk
    return bytes(content)
