"""Kills the publisher and the engines of one weights directory at random instants.

    python tests/wire/weights_killer.py DIRECTORY ROUNDS SEED

All are forked anew, so that a round costs milliseconds. The content of a version is a function of
its number, so everybody can check everything:

    publisher   publishes the newest version again, which must change nothing, then the next ones,
                each with `keep=1`; now and then it is killed, wherever it is
    engine      leases the newest version; from then on until it gives the lease back, each of many
                looks must find the version whole, whatever was published and pruned meanwhile
    this one    looks at every version there is, between the kills: what has a name is whole

Prints what happened, as JSON; exits with 1 and a traceback if anything is amiss. The children die
with their parent, however that ends.
"""

import ctypes
import json
import os
import random
import signal
import sys
import time
from hashlib import shake_128
from pathlib import Path

from engine.wire import (
    WireError,
    latest_version,
    lease,
    publish_weights,
    read_manifest,
    release,
    tensor_checksum,
    versions,
    weights_report,
)
from engine.wire.manifest import version_name

NUM_ENGINES = 2
PR_SET_PDEATHSIG = 1
SIZE = 20_000


def contents(version):
    seed = version.to_bytes(8, "little")
    return {f"t{i}.bin": shake_128(seed + bytes([i])).digest(SIZE + version % 7) for i in range(3)}


def write(version):
    def write_files(directory):
        sums = {}
        for name, content in contents(version).items():
            (directory / name).write_bytes(content)
            sums[name] = tensor_checksum(content)
        return sums

    return write_files


def check_whole(root, version):
    """Every file of a version, bit for bit; FileNotFoundError if it is not there."""
    manifest = read_manifest(root / version_name(version))
    for name, content in contents(version).items():
        assert (manifest.path / name).read_bytes() == content, f"{manifest.path / name} differs"
        assert manifest.tensors[name] == tensor_checksum(content)
    return manifest


def publish(root, version):
    return publish_weights(
        root,
        version=version,
        step=version,
        consumed={"ring-0": version},
        write=write(version),
        keep=1,
    )


def be_publisher(root, dice):
    newest = latest_version(root)
    if newest is not None:
        assert publish(root, newest.version) == newest, "a redo must change nothing"
    version = 0 if newest is None else newest.version + 1
    while True:
        published = publish(root, version)
        assert published == check_whole(root, version)
        version += 1


def be_engine(root, dice):
    owner = f"engine-{os.getpid()}"
    while True:
        newest = latest_version(root)
        if newest is None:
            continue
        try:
            lease(root, newest.version, owner)
        except WireError:
            continue  # pruned since it was listed
        for _ in range(dice.randrange(1, 6)):
            check_whole(root, newest.version)
            time.sleep(dice.uniform(0, 0.004))
        release(root, newest.version, owner)


def start(role, root, seed):
    pid = os.fork()
    if pid:
        return pid
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        role(root, random.Random(seed))
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


def wait_for_newer(root, version):
    deadline = time.monotonic() + 60
    while max(versions(root), default=-1) <= version:
        assert time.monotonic() < deadline, f"version {version + 1} was not published in a minute"
        time.sleep(0.001)


def look(root):
    """What is there is whole; returns the newest version."""
    for version in versions(root):
        try:
            check_whole(root, version)
        except FileNotFoundError:  # pruned since it was listed
            assert version < latest_version(root).version
    report = weights_report(root)
    torn = [s for s in report.strays if not s.name.startswith((".tmp", ".trash"))]
    assert torn == [], torn
    return max(versions(root), default=-1)


def main(root, *, rounds, seed):
    dice = random.Random(seed)
    roles = [be_publisher] + [be_engine] * NUM_ENGINES
    running = [start(role, root, dice.random()) for role in roles]
    kills, leftovers, newest = {"publisher": 0, "engine": 0}, 0, -1
    for turn in range(rounds):
        time.sleep(dice.uniform(0, 0.02))
        if turn % 8 == 0:
            wait_for_newer(root, newest)  # however slow the disk is
        number = dice.choice([0, 0, 1, 2])
        stop(running[number])
        kills["engine" if number else "publisher"] += 1
        leftovers += any(entry.name.startswith(".t") for entry in root.glob(".t*"))
        seen = look(root)
        assert seen >= newest, f"version {newest} was there, now {seen} is the newest"
        newest = seen
        running[number] = start(roles[number], root, dice.random())
    for pid in running:
        stop(pid)
    last = publish(root, newest + 1)
    names = sorted(entry.name for entry in root.iterdir() if entry.name != "leases")
    assert names == [last.path.name], f"nothing else may be left: {names}"
    sys.stdout.write(json.dumps({"versions": newest, "leftovers": leftovers, **kills}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), rounds=int(sys.argv[2]), seed=int(sys.argv[3]))
