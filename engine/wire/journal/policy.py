"""How much the journal may cost: when it reaches the disk, and how much of it is kept."""

from dataclasses import dataclass
from enum import StrEnum

from engine.wire.journal.header import HEADER_BYTES, MAX_SEGMENT_BYTES


class Sync(StrEnum):
    """When appended records are made to reach the disk. A kill of the process never loses any."""

    NONE = "none"  # there is no journal: the caller's case, a writer is never opened with it
    INTERVAL = "interval"  # after so many records or so long; a power failure loses the last ones
    EACH = "each"  # before `append` returns


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What `JournalWriter.open` was told."""

    sync: Sync
    segment_bytes: int
    keep_bytes: int
    interval_s: float
    interval_records: int
    compress: bool

    def __post_init__(self) -> None:
        if self.sync is Sync.NONE:
            raise ValueError("with sync none there is no journal: do not open one")
        if not HEADER_BYTES < self.segment_bytes <= MAX_SEGMENT_BYTES:
            raise ValueError(
                f"segment_bytes must be in {HEADER_BYTES + 1} .. {MAX_SEGMENT_BYTES}, "
                f"got {self.segment_bytes}"
            )
        for name in ("keep_bytes", "interval_s", "interval_records"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
