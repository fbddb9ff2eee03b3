"""A leased version stays readable, whatever is published, pruned, killed and stopped meanwhile."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.wire import (
    WireError,
    lease,
    publish_weights,
    read_leases,
    read_manifest,
    release,
    tensor_checksum,
    versions,
)
from engine.wire.manifest import version_name
from engine.wire.process import ProcessIdentity

HOLDERS = Path(__file__).with_name("lease_holders.py")
ROOT = Path(__file__).parents[2]


class Holders:
    """Real processes that hold leases."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HOLDERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start(self, root: Path, version: int, owner: str) -> tuple[int, bool]:
        """Pid of a new process, and whether it got the lease."""
        request = {"root": str(root), "version": version, "owner": owner}
        self._process.stdin.write(json.dumps(request) + "\n")
        answer = json.loads(self._process.stdout.readline())
        return answer["pid"], answer["got"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


def kill(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    identity = ProcessIdentity.of(pid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while identity.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


@contextmanager
def holders() -> Iterator[Holders]:
    opened = Holders()
    try:
        yield opened
    finally:
        opened.close()


def content(version: int) -> bytes:
    return bytes([version % 256]) * (100 + version)


def publish(root: Path, version: int, *, keep: int) -> None:
    def write(directory: Path) -> dict[str, str]:
        (directory / "model.safetensors").write_bytes(content(version))
        return {"w": tensor_checksum(content(version))}

    publish_weights(root, version=version, step=version, consumed={}, write=write, keep=keep)


def is_readable(root: Path, version: int) -> bool:
    directory = root / version_name(version)
    manifest = read_manifest(directory)
    data = (directory / "model.safetensors").read_bytes()
    return data == content(version) and manifest.tensors == {"w": tensor_checksum(data)}


OWNERS = st.sampled_from(["engine-0", "engine-1", "engine-2"])


class Leasing(RuleBasedStateMachine):
    """Beside the directory, a model: which versions must be there, and who holds which."""

    processes: Holders

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="leases-"))
        self.present: set[int] = set()
        self.newest = -1
        self.held: dict[str, tuple[int, int]] = {}
        """Version and pid by owner."""

    def teardown(self) -> None:
        for _, pid in self.held.values():
            kill(pid)
        shutil.rmtree(self.root)

    @initialize()
    def begin(self) -> None:
        self.publish(keep=1)

    @rule(keep=st.integers(1, 3))
    def publish(self, keep: int) -> None:
        self.newest += 1
        publish(self.root, self.newest, keep=keep)
        self.present.add(self.newest)
        newest = set(sorted(self.present)[-keep:])
        self.present = newest | {version for version, _ in self.held.values()} & self.present

    @rule(owner=OWNERS, back=st.integers(0, 4))
    def take(self, owner: str, back: int) -> None:
        """A new process of that name; the one before, if any, is killed first."""
        self.end(owner)
        version = self.newest - back
        pid, got = self.processes.start(self.root, version, owner)
        assert got == (version in self.present)
        if got:
            self.held[owner] = (version, pid)
        else:
            kill(pid)

    @rule(owner=OWNERS)
    def end(self, owner: str) -> None:
        if owner in self.held:
            kill(self.held.pop(owner)[1])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """An engine that hangs."""
        owner = data.draw(st.sampled_from(sorted(self.held)))
        os.kill(self.held[owner][1], signal.SIGSTOP)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.held)))
        version, pid = self.held.pop(owner)
        release(self.root, version, owner)
        kill(pid)

    @invariant()
    def what_must_be_there_is_readable(self) -> None:
        assert set(versions(self.root)) == self.present
        assert all(is_readable(self.root, version) for version in self.present)

    @invariant()
    def leases_say_who_lives(self) -> None:
        seen = {(each.owner, each.version) for each in read_leases(self.root) if each.is_alive}
        assert seen == {(owner, version) for owner, (version, _) in self.held.items()}


def test_a_leased_version_stays_readable_while_its_holder_lives():
    with holders() as processes:

        class Machine(Leasing):
            pass

        Machine.processes = processes
        run_state_machine_as_test(
            Machine, settings=settings(max_examples=20, stateful_step_count=15, deadline=None)
        )


def test_a_lease_dies_with_its_holder_and_not_while_it_is_stopped(tmp_path):
    with holders() as processes:
        publish(tmp_path, 0, keep=1)
        pid, got = processes.start(tmp_path, 0, "engine-0")
        assert got
        os.kill(pid, signal.SIGSTOP)
        for version in (1, 2):
            publish(tmp_path, version, keep=1)
        assert versions(tmp_path) == (0, 2)
        kill(pid)
        publish(tmp_path, 3, keep=1)
    assert versions(tmp_path) == (3,)
    assert list((tmp_path / "leases").iterdir()) == []


def lease_and_read(root: Path, owner: str, *, dice: random.Random) -> bool:
    """Lease a version and read it a few times; False if it could not be leased."""
    version = dice.choice(versions(root) or (0,))
    try:
        lease(root, version, owner)
    except WireError:
        return False
    assert all(is_readable(root, version) for _ in range(dice.randrange(1, 4)))
    release(root, version, owner)
    return True


@pytest.mark.parametrize("seed", [1, 2])
def test_leasing_and_pruning_never_cross_in_threads(tmp_path, seed):
    """Two threads lease what there is while this one publishes with `keep=1`, so prunes it."""
    publish(tmp_path, 0, keep=1)
    ended = threading.Event()

    def follow(number: int) -> int:
        dice = random.Random(f"{seed}/{number}")
        num_leases = 0
        while num_leases < 30 or not ended.is_set():
            num_leases += lease_and_read(tmp_path, f"engine-{number}", dice=dice)
        return num_leases

    with ThreadPoolExecutor(2) as threads:
        followers = [threads.submit(follow, number) for number in range(2)]
        try:
            for version in range(1, 60):
                publish(tmp_path, version, keep=1)
        finally:
            ended.set()
        assert min(follower.result(120) for follower in followers) >= 30
