"""One ring as its reader keeps it: the records that are in it, and those that its journal holds.

With a journal, a popped record is written there, and leaves the ring as soon as it is on disk; a
reader that goes back to a checkpoint then gets from the journal what the ring no longer has. So the
ring is never full of records that only wait for a checkpoint. Without one, a record leaves the ring
when a checkpoint covers it. Either way: popped in order, each once since the last `seek`, and
nothing is let go of that a checkpoint may still ask for.

The journal may be ahead of the ring (a kill between the two): what it has already is not written
again. It may be behind the checkpoint (a power failure, or switched on in mid-run): what the ring
still has of that is journaled first, and the rest is left out. Only a checkpoint older than what
was left out cannot be gone back to, which is said when its first lost record is asked for.
"""

from collections.abc import Iterator
from itertools import chain, islice

from engine.wire.errors import WireError
from engine.wire.journal import JournalWriter, read_journal
from engine.wire.ring import Liveness, Record, RingReader, RingState
from engine.wire.ring.memory import RingMemory


class RecordStream:
    """Pops, journals and lets go. One thread of one process; owns reader and journal."""

    def __init__(self, reader: RingReader, journal: JournalWriter | None) -> None:
        self._reader, self._journal = reader, journal
        self._backlog: Iterator[Record] = iter(())
        self._backlog_end = 0
        """Records before this number come from the journal."""
        self.name = reader.path.stem
        """The ring's name in its run, `ring-0` say."""
        self.next_seq = reader.committed_seq
        """The number of the next record to pop."""
        if journal is not None and journal.next_seq < reader.committed_seq:
            journal.restart_at(reader.committed_seq)

    @property
    def memory(self) -> RingMemory:
        """The ring's mapping, to sleep on."""
        return self._reader.memory

    @property
    def run_id(self) -> bytes:
        """The run that the ring belongs to."""
        return self._reader.run_id

    @property
    def capacity(self) -> int:
        """Bytes that the ring holds at most."""
        return self._reader.capacity

    @property
    def depth(self) -> int:
        """Records in the ring that are still to be popped."""
        return self._reader.depth

    @property
    def has_journal(self) -> bool:
        """Whether records leave the ring before a checkpoint covers them."""
        return self._journal is not None

    @property
    def is_closed(self) -> bool:
        """Nothing more will be pushed."""
        return self._reader.state is RingState.CLOSED

    @property
    def writer_alive(self) -> Liveness:
        """What has become of the engine."""
        return self._reader.writer_alive()

    def seek(self, seq: int) -> None:
        """Go on from `seq`, which a checkpoint remembers.

        Raises WireError if neither ring nor journal has that record any more; `pop` does if that
        holds for a later one.
        """
        committed = self._reader.committed_seq
        if seq < committed and self._journal is None:
            raise WireError(
                f"{self.name} begins at record {committed}, the checkpoint goes on from {seq} and "
                "there is no journal to read it from; go on with the newest checkpoint, or set "
                "trainer.journal back to what it was"
            )
        self._backlog, self._backlog_end = iter(()), 0
        if self._journal is not None and seq < committed:
            backlog = read_journal(self._journal.directory, first_seq=seq, end_seq=committed)
            # The first is read now, so that a checkpoint that is too old is told at once.
            first = list(islice(backlog, 1))
            if not first:
                raise self._ended(seq, begins=committed)
            self._backlog = chain(first, backlog)
            self._backlog_end = committed
        self._catch_up(seq)
        self._reader.seek(max(seq, committed))
        self.next_seq = seq
        self._let_go()

    def pop(self, *, timeout_s: float) -> Record | None:
        """The next record; None after `timeout_s`, or at once if the ring is closed and drained."""
        record = next(self._backlog, None)
        if record is None:
            record = self._from_ring(timeout_s)
        if record is not None:
            self.next_seq = record.seq + 1
        return record

    def covered(self, seq: int, *, keep_from: int) -> None:
        """A durable checkpoint has what is before `seq`: the ring may forget it.

        The journal may forget what is before `keep_from`, which an older checkpoint goes on from.
        """
        if self._journal is None:
            self._reader.commit(seq)
            return
        self._journal.sync()
        self._let_go()
        self._journal.prune(min(seq, keep_from))

    def tend(self) -> None:
        """Call about once a second: shows that this end lives, and syncs the journal when due."""
        self._reader.heartbeat()
        if self._journal is not None:
            self._journal.maybe_sync()
            self._let_go()

    def close(self) -> None:
        """Let go of ring and journal; what is not covered will be seen again."""
        try:
            if self._journal is not None:
                self._journal.close()
                self._let_go()
        finally:
            self._reader.close()

    def _catch_up(self, seq: int) -> None:
        """Journal what a checkpoint has and the journal lacks, as far as the ring still has it."""
        if self._journal is None or self._journal.next_seq >= seq:
            return
        self._reader.seek(self._reader.committed_seq)
        while self._reader.next_seq < seq and (record := self._reader.pop(timeout_s=0)):
            self._keep(record)
        if self._journal.next_seq < seq:
            self._journal.restart_at(seq)

    def _from_ring(self, timeout_s: float) -> Record | None:
        if self.next_seq < self._backlog_end:
            raise self._ended(self.next_seq, begins=self._backlog_end)
        record = self._reader.pop(timeout_s=timeout_s)
        if record is not None:
            self._keep(record)
        return record

    def _keep(self, record: Record) -> None:
        if self._journal is None:
            return
        if record.seq >= self._journal.next_seq:
            self._journal.append(record)
        self._let_go()

    def _let_go(self) -> None:
        if self._journal is not None:
            self._reader.commit(min(self._journal.durable_seq, self._reader.next_seq))

    def _ended(self, seq: int, *, begins: int) -> WireError:
        return WireError(
            f"the journal of {self.name} ends before record {seq}, the ring begins at {begins}; "
            "restore the journal, or go on with a newer checkpoint"
        )
