"""Kills and stops writer and reader of one ring again and again; the story must stay straight.

    python tests/wire/ring_killer.py DIRECTORY ROUNDS SEED

Both are forked anew after a kill, so that a round costs milliseconds and not the start of an
interpreter. The reader keeps a journal (the trainer's checkpoint in small): the numbers of a batch
and the hashes of its payloads are on record before the batch is committed, and a new reader seeks
to the end of the journal. The writer logs each number it was given. At the end the journal must be
0, 1, 2, ... without gap or repetition, with the hashes of what was pushed, up to the last number
that was given.

In one round of eight a process is stopped instead (SIGSTOP): it must be reported as hung, nobody
may take its place, and then it goes on or is killed as it stands.

Each role says in a byte of shared memory what it is about to do; the byte of a killed process says
where it died. Most kills come at a random instant. In one round of four a process is given a phase
drawn at random and kills itself (SIGKILL) on entering it, for the narrow ones would hardly be hit
otherwise; it is killed where it is if it does not get there in time. Prints all that as JSON; exits
with 1 and a traceback if anything is amiss.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

from ring_roles import (
    CAPACITY,
    FATES,
    MOST,
    NO_FATE,
    PATIENCE_S,
    PHASES,
    RUN_ID,
    SLOT,
    Phase,
    payload_of,
    read,
    write,
)

from engine.wire import Liveness, RingReader, RingWriter, WireError
from engine.wire.ring import claim
from engine.wire.ring.memory import RingMemory

HUNG_AFTER_S = 0.03
FATE_S = 0.1
"""Longest wait for a process that is to kill itself."""
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
PHASES_OF = {
    write: [phase for phase in Phase if phase < Phase.POPPING],
    read: [Phase.OPENING, Phase.CATCHING_UP, *(p for p in Phase if p >= Phase.POPPING)],
}
ROLES = {write: claim.WRITER, read: claim.READER}
BYTE = {write: 0, read: 1}


def start(role, directory, *, until=None):
    PHASES[BYTE[role]] = Phase.OPENING  # as it will say itself
    pid = os.fork()
    if pid:
        return pid
    try:
        role(directory, until=until)
    except BaseException:  # noqa: BLE001  # a forked child must not return into its parent's code
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def kill(pid, *, within_s=0.0):
    """Whatever it was doing, only SIGKILL may have ended it: its own in that time, or ours."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and not os.waitid(os.P_PID, pid, PEEK):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status):
        raise SystemExit(f"a child exited with {os.WEXITSTATUS(status)} before it was killed")


def stop(pid, role, directory, *, goes_on):
    """Stop it where it stands; it is hung, and keeps its end. True if its end was claimed."""
    os.kill(pid, signal.SIGSTOP)
    if not os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
        raise SystemExit("a child ended before it was stopped")
    time.sleep(2 * HUNG_AFTER_S)
    is_open = PHASES[BYTE[role]] != Phase.OPENING  # otherwise it may hold the directory's lock
    if is_open:
        memory = RingMemory(directory / "ring")
        state = claim.liveness(memory, ROLES[role], hung_after_s=HUNG_AFTER_S)
        assert state is Liveness.HUNG, state
        assert_not_displaced(role, directory, pid=pid)
    if goes_on:
        os.kill(pid, signal.SIGCONT)
    if is_open and goes_on:
        await_life(memory, ROLES[role])
    if is_open:
        memory.close()
    return is_open


def assert_not_displaced(role, directory, *, pid):
    try:
        if role is write:
            RingWriter.open(directory / "ring", capacity=CAPACITY, run_id=RUN_ID)
        else:
            RingReader.open(directory / "ring", wait_s=0)
    except WireError as error:
        assert f"pid {pid}; stop it first" in str(error), error  # noqa: PT017
    else:
        raise AssertionError(f"a stopped {role.__name__} was displaced")


def await_life(memory, end):
    deadline = time.monotonic() + PATIENCE_S
    while claim.liveness(memory, end, hung_after_s=HUNG_AFTER_S) is not Liveness.ALIVE:
        assert time.monotonic() < deadline, f"the {end.name} went on and is not alive"
        time.sleep(0.001)


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


class Killer:
    """The two processes, and what has been done to them."""

    def __init__(self, directory):
        self.directory = directory
        self.died = {role: Counter() for role in ROLES}
        PHASES[FATES : FATES + len(ROLES)] = bytes([NO_FATE] * len(ROLES))
        self.stopped = Counter()
        self.running = {role: start(role, directory) for role in ROLES}

    def kill(self, roles, *, within_s=0.0, next_fate=NO_FATE):
        for role in roles:
            kill(self.running[role], within_s=within_s)
            PHASES[FATES + BYTE[role]] = next_fate
            self.died[role][Phase(PHASES[BYTE[role]]).name.lower().replace("_", " ")] += 1
            self.running[role] = start(role, self.directory)

    def doom(self, role, phase):
        """Have it kill itself on entering a phase; or its successor, if it is beyond that."""
        if phase in (Phase.OPENING, Phase.CATCHING_UP):
            self.kill([role], next_fate=phase)
        else:
            PHASES[FATES + BYTE[role]] = phase
        self.kill([role], within_s=FATE_S)

    def stop(self, role, *, goes_on):
        if stop(self.running[role], role, self.directory, goes_on=goes_on):
            self.stopped[role.__name__] += 1
        if not goes_on:
            self.kill([role])


def main(directory, *, rounds, seed):
    rng = random.Random(seed)
    killer, started = Killer(directory), time.monotonic()
    for _ in range(rounds):
        time.sleep(rng.uniform(0, 0.02))
        dice = rng.random()
        if dice < 1 / 8:
            killer.stop(rng.choice([write, read]), goes_on=rng.random() < 0.5)
        elif dice < 3 / 8:
            role = rng.choice([write, read])
            killer.doom(role, rng.choice(PHASES_OF[role]))
        else:
            killer.kill(rng.choice([[write], [read], [read, write], [write, read]]))
    for pid in killer.running.values():
        kill(pid)
    until = (directory / "given").stat().st_size // 8 + 2 * MOST
    for pid in [start(role, directory, until=until) for role in ROLES]:
        finish(pid)
    survived = {
        "rounds": rounds,
        "seconds": round(time.monotonic() - started, 1),
        "records": check(directory),
        "killed": {role.__name__: died.total() for role, died in killer.died.items()},
        "stopped": dict(killer.stopped),
        "died": {role.__name__: dict(died.most_common()) for role, died in killer.died.items()},
    }
    sys.stdout.write(json.dumps(survived) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), rounds=int(sys.argv[2]), seed=int(sys.argv[3]))
