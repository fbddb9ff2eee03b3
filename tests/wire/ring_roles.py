"""What the processes of `ring_killer.py` do, and how they say what they are about to do.

A role enters a phase by a byte of shared memory. If that phase is its fate, it kills itself there.
"""

import mmap
import os
import random
import signal
import time
from enum import IntEnum
from hashlib import sha256, shake_128

from engine.wire import RingReader, RingWriter

CAPACITY = 1 << 15
RUN_ID = b"k" * 16
SLOT = 40  # bytes of a journal line: seq, sha256
NOISE = shake_128(b"payloads are pieces of this").digest((1 << 16) + CAPACITY // 8)
MOST = 300
"""Records of a batch: more than a writer commits before it announces them."""
PATIENCE_S = 60.0


class Phase(IntEnum):
    """What a role is about to do."""

    OPENING = 0
    CATCHING_UP = 1
    PREPARING = 2
    COPYING_OR_STORING_THE_COMMIT_WORD = 3
    BETWEEN_COMMIT_WORD_AND_ANNOUNCEMENT = 4
    ANNOUNCING = 5
    BETWEEN_PUSH_AND_LOG = 6
    WAITING_FOR_SPACE = 7
    POPPING = 8
    WAITING_FOR_RECORDS = 9
    JOURNALING = 10
    BETWEEN_JOURNAL_AND_COMMIT = 11
    COMMITTING = 12


PHASES = mmap.mmap(-1, mmap.PAGESIZE)  # shared with every process that is forked from here
FATES = 2
"""Here, one byte a role, are the phases on entering which it is to kill itself."""
NO_FATE = 255


def enter(byte, phase):
    PHASES[byte] = phase
    if PHASES[FATES + byte] == phase:
        os.kill(os.getpid(), signal.SIGKILL)


class Writer(RingWriter):
    """A writer that says how far its push has got."""

    __slots__ = ()

    def _commit(self, framed, *, commit):
        enter(0, Phase.COPYING_OR_STORING_THE_COMMIT_WORD)
        super()._commit(framed, commit=commit)
        enter(0, Phase.BETWEEN_COMMIT_WORD_AND_ANNOUNCEMENT)

    def _announce(self):
        if PHASES[0] == Phase.OPENING:  # its first announcement, of what it has recovered
            super()._announce()
            return
        enter(0, Phase.ANNOUNCING)
        super()._announce()
        enter(0, Phase.BETWEEN_PUSH_AND_LOG)


class Reader(RingReader):
    """A reader that says whether it pops or waits."""

    __slots__ = ()

    def _take(self, most, *, tail):
        enter(1, Phase.POPPING)
        return super()._take(most, tail=tail)

    def _park(self, tail, *, deadline):
        enter(1, Phase.WAITING_FOR_RECORDS)
        return super()._park(tail, deadline=deadline)


def payload_of(seq):
    """Of all sizes; in every other stretch of 512 so small that hundreds go into one batch."""
    dice = seq * 0x9E3779B97F4A7C15 >> 20 & 0xFFFFFFFF
    most = 32 if seq >> 9 & 1 else (0, 7, 600, CAPACITY // 8)[dice & 3]
    start = dice >> 2 & 0xFFFF
    return NOISE[start : start + dice % (most + 1)]


def numbers(first, end):
    return b"".join(seq.to_bytes(8, "little") for seq in range(first, end))


def write(directory, *, until):
    enter(0, Phase.OPENING)
    writer = Writer.open(directory / "ring", capacity=CAPACITY, run_id=RUN_ID)
    enter(0, Phase.CATCHING_UP)
    log = os.open(directory / "given", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    given = os.fstat(log).st_size // 8
    # Killed between a push and its lines in the log: a batch more in the ring than was logged.
    assert given <= writer.next_seq <= given + MOST, f"logged {given}, ring says {writer.next_seq}"
    os.write(log, numbers(given, writer.next_seq))
    batches = random.Random(os.getpid())
    while until is None or writer.next_seq < until:
        enter(0, Phase.PREPARING)
        writer.heartbeat()
        first = writer.next_seq
        pushed = push(writer, batches.choice([1, batches.randrange(2, 20), MOST]), until=until)
        assert writer.next_seq == first + pushed
        if pushed:
            os.write(log, numbers(first, first + pushed))
        else:
            enter(0, Phase.WAITING_FOR_SPACE)
            time.sleep(0.0002)
    writer.close()


def push(writer, most, *, until):
    """One record by itself, or a batch; returns how many were pushed."""
    first = writer.next_seq
    if most == 1:
        seq = writer.try_push(payload_of(first))
        assert seq in (None, first)
        return int(seq is not None)
    end = first + most if until is None else min(first + most, until)
    return writer.try_push_many([payload_of(seq) for seq in range(first, end)])


def read(directory, *, until):
    enter(1, Phase.OPENING)
    reader = Reader.open(directory / "ring", wait_s=PATIENCE_S)
    enter(1, Phase.CATCHING_UP)
    journal = os.open(directory / "journal", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    seq = os.fstat(journal).st_size // SLOT
    os.ftruncate(journal, seq * SLOT)
    reader.seek(seq)
    batches = random.Random(os.getpid())
    while until is None or seq < until:
        enter(1, Phase.POPPING)
        reader.heartbeat()
        lines = []
        for record in pop(reader, batches.choice([1, 1, 5, MOST])):
            assert record.seq == seq, f"expected {seq}, got {record.seq}"
            lines.append(seq.to_bytes(8, "little") + sha256(record.payload).digest())
            seq += 1
        enter(1, Phase.JOURNALING)
        os.write(journal, b"".join(lines))
        enter(1, Phase.BETWEEN_JOURNAL_AND_COMMIT)
        if batches.random() < 0.9 or not lines:  # otherwise later: journaled, not committed
            enter(1, Phase.COMMITTING)
            reader.commit(seq)
    reader.commit(seq)
    reader.close()


def pop(reader, most):
    if most > 1:
        return reader.pop_many(most, timeout_s=0.001)
    record = reader.pop(timeout_s=0.001)
    return [] if record is None else [record]
