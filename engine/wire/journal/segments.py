"""The segments of a journal, as the names in its directory tell: no file is opened.

    00000000000000001234.seg        records from seq 1234 on; the last one grows
    00000000000000001234.seg.zst    the same bytes, compressed; takes the place of the plain file

All but the last are sealed: whole, on disk, never written again. While a plain file and its
compressed twin are both there, the plain one counts.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from engine.wire.errors import WireError
from engine.wire.files import fsync_directory

MAX_SEQ: Final = (1 << 64) - 1
_COMPRESSED: Final = ".zst"
_NAME: Final = re.compile(r"(\d{20})\.seg(\.zst)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment."""

    path: Path
    first_seq: int
    end_seq: int | None
    """Where the next one begins: its own records have lower numbers. None: it is the last."""
    num_bytes: int
    """Of the file."""
    is_sealed: bool
    is_compressed: bool


def segment_path(directory: Path, first_seq: int) -> Path:
    """The plain file of a segment."""
    return directory / f"{first_seq:020d}.seg"


def compressed_path(plain: Path) -> Path:
    """The compressed twin of a plain file."""
    return plain.with_name(plain.name + _COMPRESSED)


def make_directory(directory: Path) -> None:
    """Make a directory and those above it, with names that outlive a power failure."""
    if not directory.is_dir():
        if not directory.parent.is_dir():
            make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
    fsync_directory(directory.parent)


def segments(directory: Path) -> tuple[Segment, ...]:
    """The segments in order; () while nothing has been written. Needs no lock.

    Raises WireError if there is no such directory.
    """
    while True:
        names = _names(directory)
        # A file that is replaced by its twin while the names are read may be missed under both.
        if names == _names(directory):
            with suppress(FileNotFoundError):  # removed since
                return tuple(_described(directory, names))


def _described(directory: Path, names: dict[int, str]) -> Iterator[Segment]:
    firsts = sorted(names)
    for first, end in zip_longest(firsts, firsts[1:]):
        path = directory / names[first]
        is_compressed = path.suffix == _COMPRESSED
        yield Segment(
            path=path,
            first_seq=first,
            end_seq=end,
            num_bytes=path.stat().st_size,
            is_sealed=is_compressed or end is not None,
            is_compressed=is_compressed,
        )


def _names(directory: Path) -> dict[int, str]:
    """The file of each segment, by its first seq."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        raise WireError(f"there is no journal in {directory}: no such directory") from None
    found: dict[int, str] = {}
    for name in sorted(names, reverse=True):  # the plain file after its twin
        match = _NAME.fullmatch(name)
        if match is not None and int(match[1]) <= MAX_SEQ:
            found[int(match[1])] = name
    return found
