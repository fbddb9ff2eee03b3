"""Keeps what a reader popped from one ring, in order, on disk.

A record is in the journal when `append` returns: readers see it and a kill does not lose it. A
power failure loses nothing before `durable_seq`; so a reader of a ring that commits there no
further than `durable_seq` here never has a number that neither of the two still holds.

Whatever fails (a full disk, say) raises WireError, which says up to where the records are safe.
What was not appended is then not there at all, and may be appended again. One thread of one
process.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from engine.wire.checksum import PREFERRED
from engine.wire.errors import WireError
from engine.wire.journal import retention
from engine.wire.journal.header import HEADER_BYTES, MAX_SEGMENT_BYTES, Header
from engine.wire.journal.lock import WriterLock
from engine.wire.journal.policy import Policy, Sync
from engine.wire.journal.recovery import Recovered, recover
from engine.wire.journal.segments import MAX_SEQ, Segment, make_directory
from engine.wire.journal.tail import Tail
from engine.wire.journal.zstd import require_zstd
from engine.wire.ring.layout import record_size
from engine.wire.ring.record import Framing, Record

_MIB: Final = 1 << 20


class JournalWriter:
    """Appends records; at most one live writer a directory. `open` makes one."""

    __slots__ = (
        "_directory",
        "_durable_seq",
        "_framing",
        "_is_empty",
        "_lock",
        "_next_seq",
        "_policy",
        "_previous_end",
        "_run_id",
        "_tail",
        "_unsynced_since",
    )

    def __init__(
        self, recovered: Recovered, *, directory: Path, run_id: bytes, policy: Policy
    ) -> None:
        """Go on where recovery ended. See `open`, which takes the lock."""
        self._directory = directory
        self._run_id = run_id
        self._policy = policy
        self._lock: WriterLock | None = None
        self._is_empty = recovered.is_empty
        self._next_seq = self._durable_seq = self._previous_end = recovered.next_seq
        self._unsynced_since = 0.0
        self._tail = recovered.tail
        checksum = PREFERRED if self._tail is None else self._tail.header.checksum
        self._framing = Framing(checksum, of=directory)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        run_id: bytes,
        sync: Sync,
        segment_bytes: int = 64 * _MIB,
        keep_bytes: int = 10 * 1024 * _MIB,
        interval_s: float = 1.0,
        interval_records: int = 256,
        compress: bool = False,
    ) -> Self:
        """Begin a journal, or recover one and go on.

        `run_id` is 16 bytes. A segment is sealed before it would exceed `segment_bytes`; `prune`
        keeps the whole below `keep_bytes`. With sync `interval` appended records reach the disk
        once they are `interval_records` or the first is `interval_s` old, which `append` and
        `maybe_sync` look at. `compress` compresses sealed segments, within the `append` that seals
        one. Raises WireError while another writer lives, for another run's journal, for
        damage that no crash explains, for a disk that refuses, and without the package
        zstandard if it is needed.
        """
        policy = Policy(
            sync=sync,
            segment_bytes=segment_bytes,
            keep_bytes=keep_bytes,
            interval_s=interval_s,
            interval_records=interval_records,
            compress=compress,
        )
        if len(run_id) != 16:
            raise ValueError(f"run_id must be 16 bytes, got {len(run_id)}")
        if compress:
            require_zstd("compressing the journal")
        try:
            return cls._locked(directory, run_id=run_id, policy=policy)
        except OSError as error:
            raise WireError(f"{directory}: cannot open the journal: {error}") from error

    @classmethod
    def _locked(cls, directory: Path, *, run_id: bytes, policy: Policy) -> Self:
        make_directory(directory)
        lock = WriterLock.take(directory)
        try:
            recovered = recover(directory, run_id=run_id)
            writer = cls(recovered, directory=directory, run_id=run_id, policy=policy)
        except BaseException:
            lock.release()
            raise
        writer._lock = lock
        return writer

    @property
    def directory(self) -> Path:
        """Where the segments are."""
        return self._directory

    @property
    def next_seq(self) -> int:
        """The number that the next record must have; an empty journal (0) takes any."""
        return self._next_seq

    @property
    def durable_seq(self) -> int:
        """Every record before this number is on disk."""
        return self._durable_seq

    def append(self, record: Record) -> None:
        """Append the record `next_seq`. See `append_many`."""
        self.append_many((record,))

    def append_many(self, records: Sequence[Record]) -> None:
        """Append records, numbered densely from `next_seq` on; with sync `each`, durably.

        Raises WireError for another number and for a record that no segment holds, before anything
        is appended; and if the disk refuses: then `next_seq` is the first that was not appended.
        """
        self._check_may_append(records)
        done = 0
        while done < len(records):
            run = self._fitting(records[done:])
            if run:
                self._write(run)
                done += len(run)
            else:
                self._begin_segment(records[done].seq)
        self.maybe_sync()

    def restart_at(self, seq: int) -> None:
        """Leave out the numbers from `next_seq` to `seq` - 1, lost before they came here.

        Readers are told of the gap. Raises WireError for a number below `next_seq`.
        """
        self._check_open()
        if seq < self._next_seq:
            raise WireError(
                f"{self._directory} goes on at seq {self._next_seq}, cannot restart at {seq}: the "
                "records between are there already; skip them"
            )
        if seq == self._next_seq:
            return
        self._leave_segment()
        self._next_seq = self._durable_seq = seq

    def sync(self) -> None:
        """Make every appended record durable.

        Raises WireError if the disk refuses: what was not durable is then no longer in the journal,
        and `next_seq` has moved back to `durable_seq`, from where it must be appended again.
        """
        self._check_open()
        if self._tail is None or self._durable_seq == self._next_seq:
            return
        try:
            self._tail.sync()
        except OSError as error:
            self._next_seq = self._durable_seq
            raise self._refused("make records durable", error) from error
        self._durable_seq = self._next_seq

    def maybe_sync(self) -> None:
        """Sync if the policy says that it is time; call it also while nothing is appended."""
        pending = self._next_seq - self._durable_seq
        if not pending:
            return
        policy = self._policy
        if (
            policy.sync is Sync.EACH
            or pending >= policy.interval_records
            or time.monotonic() - self._unsynced_since >= policy.interval_s
        ):
            self.sync()

    def prune(self, before_seq: int) -> tuple[Segment, ...]:
        """Remove the oldest sealed segments while there are more than `keep_bytes`; returns them.

        A record numbered `before_seq` or higher is never removed, however much is kept then.
        """
        self._check_open()
        return retention.prune(
            self._directory, keep_bytes=self._policy.keep_bytes, before_seq=before_seq
        )

    def close(self) -> None:
        """Make everything durable and let another writer come. Raises WireError like `sync`."""
        if self._lock is None:
            return
        try:
            self.sync()
        finally:
            if self._tail is not None:
                self._tail.close()
            self._lock.release()
            self._lock = self._tail = None

    def _fitting(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those at the head of `records` that the current segment still takes."""
        tail = self._tail
        if tail is None:
            return ()
        size, count = tail.size, 0
        for record in records:
            size += record_size(len(record.payload))
            # A record that is larger than a segment has one of its own.
            if size > self._policy.segment_bytes and (count or tail.has_records):
                break
            count += 1
        return records[:count]

    def _write(self, records: Sequence[Record]) -> None:
        assert self._tail is not None
        if self._next_seq == self._durable_seq:
            self._unsynced_since = time.monotonic()
        try:
            self._tail.write(self._framing.frame(records))
        except OSError as error:
            raise self._refused(f"append seq {records[0].seq}", error) from error
        self._next_seq = records[-1].seq + 1

    def _begin_segment(self, seq: int) -> None:
        """Seal the current segment, if there is one, and begin the next with record `seq`."""
        self._leave_segment()
        if self._is_empty:
            self._is_empty = False
            self._next_seq = self._durable_seq = self._previous_end = seq
        header = Header(PREFERRED, self._run_id, seq, self._previous_end)
        try:
            self._tail = Tail.create(self._directory, header)
        except OSError as error:
            raise self._refused(f"begin a segment at seq {seq}", error) from error
        self._framing = Framing(PREFERRED, of=self._directory)
        if self._policy.compress:
            retention.compress_sealed(self._directory)

    def _leave_segment(self) -> None:
        """Never write to the current segment again; if it has no records, it is not needed."""
        self.sync()
        tail = self._tail
        if tail is None:
            return
        self._previous_end = self._next_seq if tail.has_records else tail.header.previous_end
        self._tail = None
        tail.close()
        if not tail.has_records:
            retention.remove(self._directory, tail.header.first_seq)

    def _check_may_append(self, records: Sequence[Record]) -> None:
        self._check_open()
        expected = records[0].seq if self._is_empty and records else self._next_seq
        for record in records:
            if record.seq != expected or not 0 <= expected < MAX_SEQ:
                raise WireError(
                    f"{self._directory} must get seq {expected} next, got {record.seq}; skip "
                    "records that are there already, and restart_at a number beyond a loss"
                )
            expected += 1
            if record_size(len(record.payload)) > MAX_SEGMENT_BYTES - HEADER_BYTES:
                raise WireError(
                    f"a record of the journal may have {MAX_SEGMENT_BYTES - HEADER_BYTES} bytes, "
                    f"seq {record.seq} has a payload of {len(record.payload)}; make groups smaller"
                )

    def _check_open(self) -> None:
        if self._lock is None or not self._lock.is_held:
            raise WireError(f"{self._directory}: this writer is closed, or its parent's; open one")

    def _refused(self, what: str, error: OSError) -> WireError:
        return WireError(
            f"{self._directory}: cannot {what}: {error.strerror}; records before seq "
            f"{self._next_seq} are in the journal, those before seq {self._durable_seq} on disk. "
            f"Make room if the disk is full, then append again from seq {self._next_seq} on"
        )
