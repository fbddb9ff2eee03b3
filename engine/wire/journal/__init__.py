"""What a reader popped from one ring, kept on disk: one writing process, any number of readers."""

from engine.wire.journal.check import check_journal
from engine.wire.journal.policy import Sync
from engine.wire.journal.reader import read_journal
from engine.wire.journal.segments import Segment, segments
from engine.wire.journal.writer import JournalWriter

__all__ = ["JournalWriter", "Segment", "Sync", "check_journal", "read_journal", "segments"]
