"""Kills writer and reader of one ring at random instants, and checks that the story stays straight.

    python tests/wire/ring_killer.py DIRECTORY ROUNDS SEED

Both are forked anew each round, so that a round costs milliseconds and not the start of an
interpreter. The reader keeps a journal (the trainer's checkpoint in small): the numbers of a batch
and the hashes of its payloads are on record before the batch is committed, and a new reader seeks
to the end of the journal. The writer logs each number it was given. At the end the journal must be
0, 1, 2, ... without gap or repetition, with the hashes of what was pushed, up to the last number
that was given. Prints what happened, as JSON; exits with 1 and a traceback if anything is amiss.
"""

import json
import os
import random
import signal
import sys
import time
from hashlib import sha256, shake_128
from pathlib import Path

from engine.wire import RingReader, RingWriter

CAPACITY = 1 << 15
RUN_ID = b"k" * 16
SLOT = 40  # bytes of a journal line: seq, sha256


def payload_of(seq):
    sizes = random.Random(seq)
    size = sizes.choice([0, 7, sizes.randrange(600), sizes.randrange(CAPACITY // 8 + 1)])
    return shake_128(seq.to_bytes(8, "little")).digest(size)


def write(directory, *, until):
    writer = RingWriter.open(directory / "ring", capacity=CAPACITY, run_id=RUN_ID)
    log = os.open(directory / "given", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    given = os.fstat(log).st_size // 8
    # Killed between the push and its line in the log: one more in the ring than was logged.
    assert given <= writer.next_seq <= given + 1, f"logged {given}, ring says {writer.next_seq}"
    os.write(log, b"".join(n.to_bytes(8, "little") for n in range(given, writer.next_seq)))
    while until is None or writer.next_seq < until:
        expected = writer.next_seq
        seq = writer.try_push(payload_of(expected))
        if seq is None:
            time.sleep(0.0002)
            continue
        assert seq == expected
        os.write(log, seq.to_bytes(8, "little"))
    writer.close()


def read(directory, *, until):
    reader = RingReader.open(directory / "ring", wait_s=10)
    journal = os.open(directory / "journal", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    seq = os.fstat(journal).st_size // SLOT
    os.ftruncate(journal, seq * SLOT)
    reader.seek(seq)
    batches = random.Random(os.getpid())
    while until is None or seq < until:
        lines = []
        for _ in range(batches.randrange(1, 6)):
            record = reader.pop(timeout_s=0.01)
            if record is None:
                break
            assert record.seq == seq, f"expected {seq}, got {record.seq}"
            lines.append(seq.to_bytes(8, "little") + sha256(record.payload).digest())
            seq += 1
        os.write(journal, b"".join(lines))
        reader.commit(seq)
    reader.close()


def start(role, directory, *, until=None):
    pid = os.fork()
    if pid:
        return pid
    try:
        role(directory, until=until)
    except BaseException:  # noqa: BLE001  # a forked child must not return into its parent's code
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def stop(pid):
    """Kill it; whatever it was doing, only our signal may have ended it."""
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status):
        raise SystemExit(f"a child exited with {os.WEXITSTATUS(status)} before it was killed")


def finish(pid):
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("a child failed after the last round")


def check(directory):
    journal, given = (directory / "journal").read_bytes(), (directory / "given").read_bytes()
    lines = [journal[i : i + SLOT] for i in range(0, len(journal), SLOT)]
    assert len(lines) == len(given) // 8, f"{len(given) // 8} were given, {len(lines)} arrived"
    for seq, line in enumerate(lines):
        assert line == seq.to_bytes(8, "little") + sha256(payload_of(seq)).digest(), f"at {seq}"
    return len(lines)


def main(directory, *, rounds, seed):
    rng = random.Random(seed)
    kills = {write: 0, read: 0}
    running = {role: start(role, directory) for role in kills}
    for _ in range(rounds):
        time.sleep(rng.uniform(0, 0.02))
        for role in rng.choice([[write], [read], [read, write], [write, read]]):
            stop(running[role])
            running[role] = start(role, directory)
            kills[role] += 1
    for pid in running.values():
        stop(pid)
    until = (directory / "given").stat().st_size // 8 + 50
    for pid in (start(write, directory, until=until), start(read, directory, until=until)):
        finish(pid)
    records = check(directory)
    survived = {"records": records, **{role.__name__: n for role, n in kills.items()}}
    sys.stdout.write(json.dumps(survived) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), rounds=int(sys.argv[2]), seed=int(sys.argv[3]))
