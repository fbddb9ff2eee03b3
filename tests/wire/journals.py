"""What the tests of the journal share: records, ways to open one, and what must hold of it."""

import subprocess
import sys
from contextlib import contextmanager
from hashlib import shake_128
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.wire import Record
from engine.wire.journal import JournalWriter, Sync, check_journal, read_journal
from engine.wire.ring.layout import record_size

RUN_ID = b"r" * 16
HEADER = 64
ROOT = Path(__file__).parents[2]
SHM = Path("/dev/shm")
HAS_ZSTD = find_spec("zstandard") is not None
needs_zstd = pytest.mark.skipif(not HAS_ZSTD, reason="needs the package zstandard")


@contextmanager
def memory_directory():
    """A directory that is quick to sync, where there is one: for many small journals."""
    where = SHM if SHM.is_dir() else None
    with TemporaryDirectory(dir=where) as directory:
        yield Path(directory)


def run_python(code, *arguments):
    """A process of its own, that can import what the tests can."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def record_of(seq, size=None, epoch=3):
    """The record of a number: always the same, unless its size is given."""
    size = 37 * seq % 201 if size is None else size
    return Record(seq, 1, epoch, shake_128(seq.to_bytes(8, "little")).digest(size))


def records_of(first, end):
    return [record_of(seq) for seq in range(first, end)]


def open_writer(directory, **options):
    return JournalWriter.open(
        directory, **{"run_id": RUN_ID, "sync": Sync.EACH, "segment_bytes": 700} | options
    )


def filled(directory, first, end, **options):
    """A journal at rest, with the records from `first` up to `end`."""
    writer = open_writer(directory, **options)
    for record in records_of(first, end):
        writer.append(record)
    writer.close()
    return directory


def crash(writer):
    """The process is gone: its lock and its descriptors are, what it wrote is not."""
    writer._lock.release()
    if writer._tail is not None:
        writer._tail.close()


def read(directory, **limits):
    return list(read_journal(directory, **limits))


def findings(directory):
    return list(check_journal(directory))


def size_of(records):
    return sum(record_size(len(record.payload)) for record in records)


def files_of(directory):
    """Name and content of everything in the directory but the lock."""
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "lock"}
