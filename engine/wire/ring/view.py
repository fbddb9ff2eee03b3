"""A ring as it looks from outside, whatever state it and its two processes are in.

A view takes no claim, stores nothing, takes no lock and never waits: it cannot disturb a run. It
needs no more than a file with a whole header; what is wrong in there it shows instead of refusing
(`fsck` says it in words). `stat` is one moment of the header even while both ends run. `walk` gives
the records that no commit has freed yet, and says so where reader and writer were faster than it.
"""

from pathlib import Path
from typing import Self

from engine.wire.ring.cursor import Cursor
from engine.wire.ring.header import RingStat
from engine.wire.ring.image import RingImage
from engine.wire.ring.walk import Walk


class RingView:
    """A look at a ring; any number of them, at any time."""

    __slots__ = ("_image",)

    def __init__(self, image: RingImage) -> None:
        """Look at a mapped file. See `open`."""
        self._image = image

    @classmethod
    def open(cls, path: Path) -> Self:
        """Look at a ring, or at what is left of one.

        Raises WireError if there is no file, or not even a header.
        """
        return cls(RingImage.open(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def inode(self) -> int:
        """Tells this ring from one that was put in its place."""
        return self._image.inode

    def stat(self) -> RingStat:
        """The header now."""
        return self._image.stat()

    def walk(self, *, start: Cursor | None = None) -> Walk:
        """The records that are there now, from the committed cursor, or from where a walk ended.

        Iterating gives each whole `Record` in order; `Overtaken` for records that were consumed
        before the walk came to them; a `Finding` for what is damaged, behind which it goes on.
        """
        return Walk(self._image, self._image.stat(), start=start)

    def close(self) -> None:
        """Unmap. The object is of no use afterwards."""
        self._image.close()
