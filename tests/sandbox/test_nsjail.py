"""The jail built by nsjail holds as the native one does, whatever dies.

It runs where nsjail does (`make test-nsjail` makes such a place); elsewhere it skips, saying why.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Call, Limits, Sandbox, SandboxError, Verdict, decode, render
from sandbox.guest import rlimits
from sandbox.guest.claim import max_frame
from sandbox.jail import syscalls, with_nsjail
from sandbox.jail.launch import Boot
from sandbox.jail.uids import first_uid
from sandbox.jobs import encode_job
from sandbox.judge import judge
from sandbox.modules import GUEST_MODULES
from sandbox.status import LAYERS
from sandbox.worker import Worker
from tests.sandbox.host import PATIENCE_S, descendants, eventually, is_alive, status_of

ROOT = Path(__file__).parents[2]
WHY_NOT = with_nsjail.why_not()
jailed = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
sees_all = pytest.mark.skipif(os.geteuid() != 0, reason="/proc/PID of a zygote is root's to read")

QUICK = Call(program="def f(x): return x + 1", args=["1"])
LOOP = Call(program="def f(x):\n while True: pass", args=["1"])
LIMITS = Limits(wall_s=60.0, cpu_s=60.0)
TOKEN = b"witness!"
GIVES_UIDS = 0b1110_0000
"""The capabilities kill, setgid and setuid, with which a zygote gives each guest its uid."""


class Nobody:
    """The owner of a worker that is used once."""

    def put_back(self, worker: Worker) -> None: ...

    def offer(self, worker: Worker) -> None: ...


def spaces_of(pid: int | str) -> set[str]:
    kinds = ("mnt", "pid", "ipc", "uts", "net", "cgroup")
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in kinds}


def mounts_of(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def num_fds() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def parent(pid: int) -> int:
    return int(status_of(pid)["PPid"])


async def busy(sandbox: Sandbox) -> list[asyncio.Task]:
    """A guest that never ends in every zygote."""
    calls = [asyncio.create_task(sandbox.run(LOOP, family=family)) for family in (0, 1)]
    await eventually(lambda: sandbox.status().num_idle == 0)
    await eventually(lambda: all(list(descendants(pid)) for pid in sandbox.status().pids))
    return calls


# -- the jail


@jailed
async def test_calls_run_behind_the_same_layers_as_in_the_native_jail():
    async with Sandbox(workers=1, jail="native") as native:
        on_natively = {name for name, (is_on, _) in native.status().layers.items() if is_on}
    async with Sandbox(workers=1, jail="nsjail") as sandbox:
        outcomes = await asyncio.gather(*(sandbox.run(QUICK) for _ in range(20)))
        assert sandbox.status().jail == "nsjail"
        layers = sandbox.status().layers
    assert {render(value) for outcome in outcomes for value in outcome.values} == {"2"}
    assert {name for name, (is_on, _) in layers.items() if is_on} == on_natively
    assert "nsjail" in layers["namespaces"][1]


@jailed
@sees_all
async def test_a_zygote_is_pid_1_of_namespaces_of_its_own_with_an_empty_root_and_no_capability():
    async with Sandbox(workers=2, jail="nsjail") as sandbox:
        pids = sandbox.status().pids
        for pid in pids:
            status = status_of(pid)
            assert status["NSpid"].split()[-1] == "1"
            kept = int(status["CapPrm"], 16)
            assert kept in (0, GIVES_UIDS)
            assert int(status["CapEff"], 16) == kept
            assert status["NoNewPrivs"] == "1"
            assert status["Groups"].strip() == ""
            assert not spaces_of(pid) & spaces_of("self")
            assert mounts_of(pid) == ["/"]
        uids = {status_of(pid)["Uid"] for pid in pids}
        assert len(uids) == len(pids)  # each its own
        assert not any("0" in uid.split() for uid in uids)


async def root_seen(*, on: set[str]) -> list[str]:
    """The names in its root that a program sees behind these layers alone, with nsjail."""
    skip = tuple(name for name in LAYERS if name not in on)
    boot = Boot(
        filters=syscalls.NO_FILTERS,
        modules=("os",),
        task_modules=(),
        namespaces=False,
        nsjail=True,
        slots=1,
        skip=skip,
    )
    worker = Worker(boot=boot, seed=1, uid=first_uid(), owner=Nobody())
    await worker.start()
    try:
        call = Call(program="import os\ndef f(): return sorted(os.listdir('/'))", args=[""])
        job = encode_job(call, token=TOKEN, limits=LIMITS)
        end, _ = await worker.execute(job, wall_s=60.0, max_frame=max_frame(1, 1 << 20))
    finally:
        worker.stop()
        worker.join(PATIENCE_S)
    found = judge(end, token=TOKEN, num_values=1, cpu_limit_s=60)
    assert found.verdict is Verdict.OK, found
    names = decode(found.values[0])
    assert isinstance(names, list)
    return [str(name) for name in names]


@jailed
async def test_the_tree_that_starts_python_is_gone_before_the_first_guest():
    started_in = await root_seen(on={"namespaces"})
    assert "lib" in started_in
    assert not {"home", "proc", "sys", "bin", "boot"} & set(started_in)
    assert await root_seen(on={"namespaces", "root"}) == []


@jailed
def test_the_tree_that_starts_python_has_nothing_of_the_users():
    config = with_nsjail._config(["python"], uid=61_000, env={})
    shown = {mount.dst for mount in config.mount}
    assert "/" not in shown
    assert not shown & {"/etc", "/home", "/root", "/proc", "/sys", "/tmp", "/var", "/run", "/usr"}
    assert str(ROOT) not in shown
    assert [mount.dst for mount in config.mount if mount.rw] == ["/dev/null"]


def test_the_address_space_is_measured_as_the_kernel_counts_it():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    measured = rlimits.address_space_bytes() // os.sysconf("SC_PAGE_SIZE")
    assert abs(measured - pages) <= 256  # what Python took or gave back in between


@jailed
async def test_libraries_of_extension_modules_are_found_in_the_jail():
    modules = (*GUEST_MODULES, "ctypes", "sqlite3", "ssl")
    async with Sandbox(workers=1, jail="nsjail", modules=modules) as sandbox:
        call = Call(program="import ctypes, sqlite3, ssl\ndef f(x): return x", args=["1"])
        assert (await sandbox.run(call)).is_ok


# -- endings


@jailed
async def test_a_killed_zygote_is_noticed_and_replaced():
    async with Sandbox(workers=1, jail="nsjail", limits=LIMITS) as sandbox:
        for pid in sandbox.status().pids:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: sandbox.status().pids == ())
        for family in (0, 1):
            assert (await sandbox.run(QUICK, family=family)).is_ok
        assert sandbox.status().num_starts == 4


@jailed
async def test_a_killed_nsjail_takes_zygote_and_guest_with_it_and_the_pool_goes_on():
    async with Sandbox(workers=1, jail="nsjail", limits=LIMITS) as sandbox:
        calls = await busy(sandbox)
        gone = [p for pid in sandbox.status().pids for p in (pid, *descendants(pid))]
        assert len(gone) == 4
        for pid in {parent(pid) for pid in sandbox.status().pids}:
            assert b"nsjail" in command_of(pid)
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not any(map(is_alive, gone)))
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert (await sandbox.run(QUICK)).is_ok


@jailed
async def test_after_close_nothing_is_left():
    num_before, before = num_fds(), set(descendants(os.getpid()))
    async with Sandbox(workers=1, jail="nsjail", limits=LIMITS) as sandbox:
        calls = await busy(sandbox)
        ours = set(descendants(os.getpid())) - before
        assert len(ours) == 6  # nsjail, zygote and guest, twice
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, SandboxError) for result in results)
    await eventually(lambda: not any(map(is_alive, ours)))
    assert num_fds() == num_before


HOST = """
import asyncio
from sandbox import *

async def main():
    async with Sandbox(workers=1, jail="nsjail", limits=Limits(wall_s=60, cpu_s=60)) as sandbox:
        loop = Call(program="while True: pass", args=["1"])
        calls = [asyncio.create_task(sandbox.run(loop)) for _ in range(2)]
        while sandbox.status().num_idle:
            await asyncio.sleep(0.01)
        print("busy", flush=True)
        await asyncio.gather(*calls)

asyncio.run(main())
"""


@jailed
def test_a_killed_host_leaves_no_process():
    command = [sys.executable, "-c", HOST]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"busy\n"
        asyncio.run(eventually(lambda: len(list(descendants(host.pid))) == 6))
        ours = list(descendants(host.pid))
        host.kill()
    asyncio.run(eventually(lambda: not any(map(is_alive, ours))))


@jailed
async def test_a_guest_is_held_to_its_limits():
    limits = Limits(wall_s=30.0, cpu_s=30.0, memory_mb=64)
    async with Sandbox(workers=1, jail="nsjail", limits=limits) as sandbox:
        late = await sandbox.run(LOOP, limits=Limits(wall_s=0.5))
        assert late.verdict is Verdict.TIMEOUT
        big = Call(program="def f(x): return len(bytearray(x))", args=[str(48 << 20)])
        assert (await sandbox.run(big)).is_ok
        bigger = Call(program="def f(x): return len(bytearray(x))", args=[str(72 << 20)])
        assert (await sandbox.run(bigger)).verdict is Verdict.MEMORY
