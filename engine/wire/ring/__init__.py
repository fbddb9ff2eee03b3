"""A durable queue of records in one mapped file: one writing process, one reading process."""

from engine.wire.ring.claim import Liveness
from engine.wire.ring.reader import RingReader
from engine.wire.ring.record import Record
from engine.wire.ring.state import RingState
from engine.wire.ring.writer import RingWriter

__all__ = ["Liveness", "Record", "RingReader", "RingState", "RingWriter"]
