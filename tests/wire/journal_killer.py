"""Kills the writer of a journal at random instants; what it had reported durable must be there.

    python tests/wire/journal_killer.py DIRECTORY ROUNDS SEED

The writer is forked anew each round, recovers, and appends with sync `each` through rotation,
compression (with the package zstandard) and retention, and reports `durable_seq` through a pipe
after every append. After the kill every reported record that retention must have left is read and
compared. Prints what happened, as JSON; exits with 1 and a traceback if anything is amiss.
"""

import json
import os
import random
import select
import signal
import sys
import time
from hashlib import shake_128
from importlib.util import find_spec
from pathlib import Path

from engine.wire import Record
from engine.wire.journal import JournalWriter, Sync, check_journal, read_journal, segments

RUN_ID = b"k" * 16
SEGMENT = 3000
KEEP = 20_000
NEEDED = 12
"""Records that retention must leave, counted from the end."""


def record_of(seq):
    size = random.Random(seq).choice([0, 7, 400, 1500])
    return Record(seq, 1, 1, shake_128(seq.to_bytes(8, "little")).digest(size))


def open_writer(directory, *, compress):
    return JournalWriter.open(
        directory,
        run_id=RUN_ID,
        sync=Sync.EACH,
        segment_bytes=SEGMENT,
        keep_bytes=KEEP,
        compress=compress,
    )


def write(directory, report):
    writer = open_writer(directory, compress=find_spec("zstandard") is not None)
    rng = random.Random()
    while True:
        first = writer.next_seq
        writer.append_many([record_of(first + n) for n in range(rng.randrange(1, 4))])
        os.write(report, writer.durable_seq.to_bytes(8, "little"))
        if rng.random() < 0.1:
            writer.prune(before_seq=writer.next_seq - NEEDED)


def start(directory):
    """A writing process, and the pipe of its reports."""
    reports, report = os.pipe()
    pid = os.fork()
    if pid:
        os.close(report)
        return pid, reports
    try:
        write(directory, report)
    except BaseException:  # noqa: BLE001  # a forked child must not return into its parent's code
        sys.excepthook(*sys.exc_info())
    os._exit(1)


def killed_after(directory, wait_s, *, has_reported):
    """Let a writer run for a while after its first report, or its start; the last one, or None."""
    pid, reports = start(directory)
    if has_reported:
        select.select([reports], [], [], 60)
    time.sleep(wait_s)
    os.kill(pid, signal.SIGKILL)
    if os.WIFEXITED(os.waitpid(pid, 0)[1]):
        raise SystemExit("the writer failed before it was killed")
    said = b""
    while chunk := os.read(reports, 1 << 16):
        said += chunk
    os.close(reports)
    whole = len(said) // 8 * 8
    return int.from_bytes(said[whole - 8 : whole], "little") if whole else None


def check(directory, durable):
    """Compare everything that is there; returns how many records that was."""
    oldest = segments(directory)[0].first_seq
    got = list(read_journal(directory))
    assert got == [record_of(oldest + n) for n in range(len(got))], "altered or reordered"
    assert oldest + len(got) >= durable, f"{durable} reported, {oldest + len(got)} there"
    assert oldest <= max(0, durable - NEEDED), f"{oldest} is the oldest of {durable}"
    torn = [finding for finding in check_journal(directory) if "torn end" not in finding.what]
    assert torn == [], torn
    return len(got)


def main(directory, *, rounds, seed):
    rng = random.Random(seed)
    durable = with_records = 0
    for _ in range(rounds):
        reported = killed_after(directory, rng.uniform(0, 0.03), has_reported=rng.random() < 0.6)
        with_records += reported is not None
        durable = reported or durable
        if directory.is_dir() and segments(directory):
            check(directory, durable)
    writer = open_writer(directory, compress=False)
    assert writer.next_seq >= durable
    writer.append(record_of(writer.next_seq))
    writer.close()
    assert list(check_journal(directory)) == []
    done = {"records": writer.next_seq, "rounds_with_records": with_records}
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), rounds=int(sys.argv[2]), seed=int(sys.argv[3]))
