"""What becomes of sealed segments: they are compressed, and the oldest go.

Every step is one rename or one unlink, on disk before the next: a crash leaves a record in one
place, or twice under names of which one counts, and never a gap.
"""

import logging
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import atomic_write, fsync_directory
from engine.wire.journal.header import MAX_SEGMENT_BYTES
from engine.wire.journal.segments import Segment, compressed_path, segments
from engine.wire.journal.zstd import compress, decompress

_AT_ONCE: Final = 2
"""Segments compressed when one is sealed: more than one, to catch up after a failure."""

_log = logging.getLogger(__name__)


def prune(directory: Path, *, keep_bytes: int, before_seq: int) -> tuple[Segment, ...]:
    """Remove the oldest sealed segments that have only records before `before_seq`, while the whole
    is above `keep_bytes`. Raises WireError if the disk refuses."""
    found = segments(directory)
    total = sum(segment.num_bytes for segment in found)
    removed: list[Segment] = []
    for segment in found:
        if total <= keep_bytes or segment.end_seq is None or segment.end_seq > before_seq:
            break
        remove(directory, segment.first_seq)
        removed.append(segment)
        total -= segment.num_bytes
    return tuple(removed)


def remove(directory: Path, first_seq: int) -> None:
    """Remove a segment, with what recovery cut from it, for good. WireError if the disk refuses."""
    try:
        for path in directory.glob(f"{first_seq:020d}.*"):
            path.unlink(missing_ok=True)
        fsync_directory(directory)  # before anything else goes, or there might be a gap
    except OSError as error:
        raise WireError(
            f"{directory}: cannot remove segment {first_seq}: {error.strerror}"
        ) from error


def compress_sealed(directory: Path) -> None:
    """Compress sealed segments that are not; one that cannot be stays as it is, and is logged."""
    plain = [s for s in segments(directory) if s.is_sealed and not s.is_compressed]
    for segment in plain[:_AT_ONCE]:
        try:
            compress_segment(segment.path)
        except (OSError, WireError) as error:
            _log.warning("%s stays uncompressed: %s", segment.path, error)


def compress_segment(path: Path) -> None:
    """Replace a sealed plain segment by its compressed twin. Raises OSError, WireError."""
    content = path.read_bytes()
    packed = compress(content)
    if decompress(packed, most=MAX_SEGMENT_BYTES, of=path) != (content, ""):
        raise WireError(f"{path} is not the same after compression; is the memory sound?")
    atomic_write(compressed_path(path), packed)
    path.unlink()
    fsync_directory(path.parent)
