"""No guest reaches the wire: not the ring, its bell, the journal, the weights, the run directory.

This process has them all open and mapped, as the engine has, while real guests look for them in
every way there is, with every module at hand. The same programs, run outside of a jail, find them.
"""

import asyncio
import ctypes
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.tasks.store import TaskStore
from engine.wire import Record, RingWriter, RunDir
from engine.wire.journal import JournalWriter, Sync
from engine.wire.ring import layout
from sandbox import Call, Limits, Sandbox, SandboxUnavailable, Verdict, render
from sandbox.modules import GUEST_MODULES
from tests.sandbox.host import descendants, eventually

JAILS = ("native", "nsjail", "filter-only")
MODULES = (*GUEST_MODULES, "ctypes", "mmap", "os")
ENDS = {Verdict.OK, Verdict.RAISED, Verdict.FORBIDDEN, Verdict.CRASHED}

READ = """
import os
def f(path):
    return "REACHED " + str(len(os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 8)))
"""
WRITE = """
import os
def f(path):
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    return "REACHED"
"""
LOOK = """
import os
def f(path):
    return "REACHED " + str(os.stat(path).st_size)
"""
LIST = """
import os
def f(path):
    return "REACHED " + str(os.listdir(path))
"""
INHERITED = """
import os
def f(identities):
    found = []
    for descriptor in range(1024):
        try:
            seen = os.fstat(descriptor)
        except OSError:
            continue
        if (seen.st_dev, seen.st_ino) in identities:
            found.append(descriptor)
    return "REACHED " + str(found) if found else "nothing"
"""
LINKED = """
import os
def f(directory):
    found = []
    for pid in os.listdir("/proc"):
        try:
            for name in os.listdir("/proc/" + pid + "/fd"):
                link = os.readlink("/proc/" + pid + "/fd/" + name)
                if link.startswith(directory):
                    found.append(link)
        except OSError:
            pass
    return "REACHED " + str(found) if found else "nothing"
"""
MAPPED = """
def f(pid, directory):
    with open("/proc/" + pid + "/maps") as maps:
        return "REACHED" if directory in maps.read() else "nothing"
"""
PEEKED = """
import ctypes
def f(address, magic):
    return "REACHED" if ctypes.string_at(address, 8) == magic else "nothing"
"""


@dataclass(frozen=True)
class Wire:
    """What this process has open."""

    run: RunDir
    files: dict[str, Path]
    ring: RingWriter

    def identities(self):
        stats = [path.stat() for path in self.files.values()]
        return {(stat.st_dev, stat.st_ino) for stat in stats}


@pytest.fixture
async def wire(tmp_path):
    run = RunDir(tmp_path / "run")
    run_id = run.write_run({}).run_id
    ring = RingWriter.open(run.ring, capacity=1 << 16, run_id=run_id)
    while ring.try_push(bytes(8000)) is not None:
        pass
    await ring.space(timeout_s=0.01)  # the bell is opened when it is first used
    version = run.weights / "v000000"
    version.mkdir()
    save_file({"w": torch.ones(4096)}, version / "model.safetensors")
    journal = JournalWriter.open(run.path / "journal", run_id=run_id, sync=Sync.EACH)
    journal.append(Record(seq=0, schema=1, epoch=1, payload=b"a record"))
    with (
        safe_open(version / "model.safetensors", framework="pt") as weights,
        TaskStore(run.tasks_db),
        run.lock("engine"),
    ):
        held = weights.get_tensor("w")  # mapped, as long as somebody has it
        files = {
            "ring": run.ring,
            "bell": run.ring.with_suffix(".bell"),
            "weights": version / "model.safetensors",
            "journal": next(p for p in (run.path / "journal").rglob("*") if p.is_file()),
            "tasks": run.tasks_db,
            "run.json": run.run_json,
            "lock": run.path / "locks" / "engine",
        }
        yield Wire(run=run, files=files, ring=ring)
        assert held.sum() == 4096
    journal.close()
    ring.close()


@pytest.fixture(params=JAILS)
async def sandbox(request):
    try:
        pool = Sandbox(
            workers=1,
            jail=request.param,
            modules=MODULES,
            task_modules=MODULES,
            limits=Limits(wall_s=20.0, cpu_s=20.0),
        )
        async with pool:
            yield pool
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def held_by(pid):
    """Paths of what a process has open, and its maps as text."""
    links = [os.path.realpath(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return links, Path(f"/proc/{pid}/maps").read_text()


def attempts(wire):
    """(name, program, arguments as text): every one reaches something without a jail."""
    here, fds = os.getpid(), Path("/proc/self/fd")
    for name, path in wire.files.items():
        yield f"read {name}", READ, repr(str(path))
        yield f"write {name}", WRITE, repr(str(path))
        yield f"look at {name}", LOOK, repr(str(path))
        yield f"{name} by the root of this process", LOOK, repr(f"/proc/{here}/root{path}")
        for entry in fds.iterdir():
            if os.path.realpath(entry) == str(path):
                yield f"{name} by its descriptor", WRITE, repr(f"/proc/{here}/fd/{entry.name}")
    yield "list the run", LIST, repr(str(wire.run.path))
    yield "list the queue", LIST, repr(str(wire.run.ring.parent))
    yield "links of all processes", LINKED, repr(str(wire.run.path))
    yield "maps of this process", MAPPED, f"{str(here)!r}, {str(wire.run.path)!r}"


def at_home(attempt):
    """What the program finds in a process without a jail."""
    _, program, args = attempt
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nprint(f({args}))"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


async def test_what_finds_the_wire_outside_of_a_jail_finds_nothing_inside(wire, sandbox):
    tried = list(attempts(wire))
    assert {name for name, *_ in tried} >= {"bell by its descriptor", "lock by its descriptor"}
    before = {path: path.stat() for path in wire.files.values()}
    for attempt in tried:
        name, program, args = attempt
        if name.startswith(("read", "links", "maps", "list", "bell by", "lock by")):
            is_readable = name != "read bell"  # there is nothing in it
            assert "REACHED" in at_home(attempt) or not is_readable, name
        outcome = await sandbox.run(Call(program=program, args=[args]))
        assert outcome.verdict in ENDS, (name, outcome)
        assert "Import" not in outcome.error, "it did not even try"
        assert "REACHED" not in "".join(map(render, outcome.values)), (name, outcome)
    assert {path: path.stat().st_mtime_ns for path in before} == {
        path: stat.st_mtime_ns for path, stat in before.items()
    }


async def test_no_guest_inherits_a_descriptor_or_a_page_of_the_wire(wire, sandbox):
    identities = {(stat[0], stat[1]) for stat in wire.identities()}
    outcome = await sandbox.run(Call(program=INHERITED, args=[repr(identities)]))
    assert "REACHED" not in "".join(map(render, outcome.values)), outcome
    _, maps = held_by("self")
    (line,) = (line for line in maps.splitlines() if line.endswith(str(wire.run.ring)))
    address = int(line.split("-")[0], 16)
    magic = layout.MAGIC.to_bytes(8, "little")
    assert ctypes.string_at(address, 8) == magic
    outcome = await sandbox.run(Call(program=PEEKED, args=[f"{address}, {magic!r}"]))
    assert outcome.verdict in ENDS
    assert "REACHED" not in "".join(map(render, outcome.values)), outcome


async def test_no_zygote_and_no_guest_has_the_wire_open_or_mapped(wire, sandbox):
    busy = Call(program="def f(x):\n while True: pass", args=["1"])
    running = asyncio.create_task(sandbox.run(busy))
    await eventually(lambda: sandbox.status().num_running == 1)
    zygotes = set(sandbox.status().pids)
    await eventually(lambda: any(set(descendants(pid)) for pid in zygotes))
    pids = zygotes | {child for pid in zygotes for child in descendants(pid)}
    assert len(pids) > len(zygotes), "there must be a guest"
    for pid in pids:
        links, maps = held_by(pid)
        assert str(wire.run.path) not in maps + "".join(links)
    links, maps = held_by("self")
    assert str(wire.files["bell"]) in links, "while this process has them"
    assert str(wire.files["ring"]) in maps
    assert str(wire.files["weights"]) in maps
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_the_jails_of_this_host_are_told(capsys):
    """Which of them the tests above had; a host with none of them would test nothing."""

    async def opened(jail):
        try:
            async with Sandbox(workers=1, jail=jail) as pool:
                return pool.status().jail
        except SandboxUnavailable as error:
            return str(error)

    found = {jail: asyncio.run(opened(jail)) for jail in JAILS}
    with capsys.disabled():
        sys.stdout.write(f"\njails: {json.dumps(found)}\n")
    assert any(found[jail] == jail for jail in JAILS), found
