"""What a check of the wire's files finds: one place where bytes are not what they must be."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One piece of damage, and where it is."""

    path: Path
    offset: int
    """Byte in the file; in a compressed one, byte in what it holds."""
    seq: int
    """Number of the record that must be there."""
    epoch: int
    """Of the last whole record before it, 0 if there is none."""
    what: str
    """Expected, seen, and what becomes of it."""

    def __str__(self) -> str:
        return f"{self.path} byte {self.offset}, seq {self.seq}, epoch {self.epoch}: {self.what}"
