"""Runs a corpus: every file in every hash family, with every module open to the guest.

All files are read first (by guests, see reading.py). Then, for one file after another, so that
whatever is found is that file's doing:

    take the host's state
    in each family at once:  victim, attack in each spelling, (attack again,) honest call, victim
    ask `certify` of the ordinary sandbox, for attacks on determinism
    take the host's state again, waiting a little for ends that are still on their way

The import rules are open so that only the walls hold; each family has one worker, so the honest
call and the victim meet the zygote that the attack met. This process must be the only user of its
sandbox and run in the main thread, whose signals are trapped.
"""

import asyncio
import contextlib
import importlib.util
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sandbox.call import Call, Outcome
from sandbox.certify import Rejection, certify
from sandbox.corpus import reading
from sandbox.corpus.contain import Run, complaint, note
from sandbox.corpus.hoststate import HostState, changes, rss_complaint, take
from sandbox.corpus.program import Program, find, load
from sandbox.corpus.traps import Traps, traps_set
from sandbox.fleet import NUM_FAMILIES
from sandbox.jails import Jail
from sandbox.limits import Limits
from sandbox.modules import GUEST_MODULES
from sandbox.pool import Sandbox
from sandbox.status import Status

LIMITS = Limits(wall_s=0.7, cpu_s=1.0)
_PATIENT = replace(LIMITS, wall_s=20.0)
"""For honest work: that a busy host takes long for it is no doing of an attack."""
_OPEN_MODULES = (
    "_ctypes", "_io", "_posixshmem", "_posixsubprocess", "_socket", "_thread", "ast", "asyncio",
    "atexit", "bdb", "builtins", "code", "codecs", "compileall", "concurrent.futures",
    "concurrent.futures.process", "concurrent.futures.thread", "copyreg", "ctypes", "ctypes.util",
    "dis", "email", "encodings.utf_7", "errno", "faulthandler", "fcntl", "fileinput", "ftplib",
    "gc", "glob", "grp", "http.client", "importlib", "importlib.abc", "importlib.machinery",
    "importlib.util", "inspect", "io", "keyword", "linecache", "locale", "logging",
    "logging.handlers", "marshal", "mmap", "multiprocessing", "multiprocessing.connection",
    "multiprocessing.managers", "multiprocessing.pool", "multiprocessing.popen_fork",
    "multiprocessing.popen_spawn_posix", "multiprocessing.shared_memory",
    "multiprocessing.synchronize", "opcode", "os", "pathlib", "pdb", "pickle", "pkgutil",
    "platform", "posix", "pty", "pwd", "queue", "resource", "runpy", "secrets", "select",
    "selectors", "shelve", "shutil", "signal", "site", "smtplib", "socket", "socketserver",
    "sqlite3", "ssl", "subprocess", "symtable", "sysconfig", "syslog", "tempfile", "termios",
    "threading", "tokenize", "trace", "traceback", "tracemalloc", "types", "unittest.mock",
    "urllib.request", "uuid", "weakref", "xmlrpc.client", "zipfile", "zipimport",
)  # fmt: skip
_HONEST = Call(program="def f(x): return [int('3') + int('4') == 7, sorted(x)]", args=["[2, 1]"])
_LONG = Call(program="def f(x): return [None] * 19_000", args=["1"] * 50)
SETTLE_S = 3.0
"""How long an end may be on its way before what is left counts as left."""
_POLL_S = 0.02
_MAX_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Of the default executor, as concurrent.futures has it."""


class Runs(Protocol):
    """What is asked of a sandbox here."""

    async def run(
        self,
        call: Call,
        *,
        family: int | None = None,
        other_than: Collection[int] = (),
        limits: Limits | None = None,
    ) -> Outcome:
        """One call to its verdict."""

    def status(self) -> Status:
        """A snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one file."""

    name: str
    kind: str
    expect: str
    outcomes: tuple[Outcome, ...] = ()
    """Of the attack, one per family."""
    certified: str = ""
    """Why it is no task, or that it is one; empty where nobody asked."""
    complaint: str = ""
    """Empty if the attack was contained."""
    note: str = ""
    """What is odd about the file itself."""
    grown_mb: float = 0.0
    """By how much this process grew meanwhile."""

    @property
    def is_contained(self) -> bool:
        """Whether nothing is wrong."""
        return not self.complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a corpus."""

    rows: tuple[Row, ...]
    jail: str
    layers: dict[str, tuple[bool, str]]
    rss_mb: tuple[float, float]
    """Of this process before the first file and after the last."""

    @property
    def num_contained(self) -> int:
        """Rows without a complaint."""
        return sum(row.is_contained for row in self.rows)


def open_modules() -> tuple[str, ...]:
    """Everything worth attacking with that this Python has."""
    return (*GUEST_MODULES, *(name for name in _OPEN_MODULES if _exists(name)))


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


async def read_all(paths: Collection[Path], *, root: Path, jail: Jail) -> list[Program]:
    """All files as programs, read by guests of a sandbox for this alone."""
    sources = [(str(path.relative_to(root).with_suffix("")), load(path)) for path in paths]
    modules = (*GUEST_MODULES, *reading.MODULES)
    async with Sandbox(workers=1, limits=reading.LIMITS, modules=modules, jail=jail) as sandbox:
        return [await reading.read(sandbox, name=name, raw=raw) for name, raw in sources]


@contextlib.asynccontextmanager
async def examiner(*, jail: Jail = "auto") -> AsyncIterator["Examiner"]:
    """Traps set and both sandboxes open."""
    with traps_set() as traps:
        async with (
            Sandbox(workers=1, limits=LIMITS, modules=open_modules(), jail=jail) as sandbox,
            Sandbox(workers=2, limits=_PATIENT, jail=jail) as ordinary,
        ):
            yield Examiner(sandbox, traps=traps, ordinary=ordinary)


async def examine(
    directory: Path, *, jail: Jail = "auto", on_row: Callable[[Row, int], None]
) -> Report:
    """Run every program under `directory`; `on_row` gets each row and how many there will be."""
    paths = find(directory)
    programs = await read_all(paths, root=directory, jail=jail)
    rows = []
    async with examiner(jail=jail) as examining:
        await examining.warm_up(programs)
        first = take()
        for program in programs:
            rows.append(await examining.examine(program))
            on_row(rows[-1], len(programs))
        last = take()
        status = examining.sandbox.status()
    return Report(
        rows=blame_growth(rows, first.rss_mb, last.rss_mb),
        jail=status.jail,
        layers=status.layers,
        rss_mb=(first.rss_mb, last.rss_mb),
    )


def blame_growth(rows: list[Row], before_mb: float, after_mb: float) -> tuple[Row, ...]:
    """The rows; if the host grew too much, the one that had most of it has a complaint."""
    too_much = rss_complaint(before_mb, after_mb)
    worst = max(rows, key=lambda row: row.grown_mb)
    if not too_much or worst.complaint:
        return tuple(rows)
    blamed = replace(worst, complaint=f"{too_much}, {worst.grown_mb:.0f} of it here")
    return tuple(blamed if row is worst else row for row in rows)


class Examiner:
    """Runs one program after another against one pair of sandboxes."""

    def __init__(
        self,
        sandbox: Runs,
        *,
        traps: Traps,
        ordinary: Sandbox | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        self.sandbox = sandbox
        self._settle_s = settle_s
        self._traps = traps
        self._ordinary = ordinary
        self._clean: dict[tuple[str, int], Outcome] = {}

    async def warm_up(self, programs: Collection[Program]) -> None:
        """Before any attack: what each victim gives; and all that needs something at first has."""
        # All threads there will ever be: asyncio's, and the sandbox's for checking long claims.
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.1) for _ in range(_MAX_THREADS)))
        for family in range(NUM_FAMILIES):
            await self._work(_LONG, family)
            await self._work(_HONEST, family)
            for program in programs:
                if program.victim is not None:
                    clean = await self._work(self._victim(program), family)
                    self._clean[program.name, family] = clean
        if self._ordinary is not None:
            await certify(self._ordinary, program="def f(x): return {x}", args=["3"])

    async def examine(self, program: Program) -> Row:
        """Run one program in both families and say whether it was contained."""
        header = program.header
        if program.problem:
            return _row(program, complaint=program.problem)
        before, num_starts = take(watched=header.paths), self.sandbox.status().num_starts
        runs = await asyncio.gather(*(self._run(program, f) for f in range(NUM_FAMILIES)))
        certified, objection = await self._certify(program)
        after, left = await self._settle(before, program)
        found = [complaint(program, run, limits=LIMITS) for run in runs]
        found += [objection, *self._traps.sprung(), *left]
        if self.sandbox.status().num_starts != num_starts:
            found.append("a zygote died of it")
        return _row(
            program,
            outcomes=tuple(run.attacks[0] for run in runs),
            certified=certified,
            complaint="; ".join(dict.fromkeys(clause for clause in found if clause)),
            note=note(program, runs[0]),
            grown_mb=after.rss_mb - before.rss_mb,
        )

    async def _run(self, program: Program, family: int) -> Run:
        victims = []
        if program.victim is not None:
            victims.append(self._clean[program.name, family])
            victims.append(await self._work(self._victim(program), family))
        calls = [self._call(program, text) for text in program.texts]
        calls *= 2 if program.header.is_twice else 1
        attacks = [await self.sandbox.run(call, family=family) for call in calls]
        honest = await self._work(_HONEST, family)
        if program.victim is not None:
            victims.append(await self._work(self._victim(program), family))
        return Run(attacks=tuple(attacks), honest=honest, victims=tuple(victims))

    async def _work(self, call: Call, family: int) -> Outcome:
        return await self.sandbox.run(call, family=family, limits=_PATIENT)

    def _victim(self, program: Program) -> Call:
        return Call(program=self._traps.disguise(program.victim or ""), args=["3"])

    def _call(self, program: Program, text: str) -> Call:
        argument = str(self._traps.port) if program.header.kind == "network" else "3"
        if program.input is not None:
            argument = self._traps.disguise(program.input)
        return Call(program=self._traps.disguise(text), args=[argument])

    async def _certify(self, program: Program) -> tuple[str, str]:
        """(what certify said, what is wrong with it) of an attack on determinism."""
        if self._ordinary is None or not program.header.is_nondeterminism:
            return "", ""
        text = program.texts[-1]
        found = await certify(self._ordinary, program=text, args=["3"])
        if isinstance(found, Rejection):
            return found.reason, "certify lost its guests" if found.reason == "lost" else ""
        seen: dict[int, tuple[bytes, ...]] = {}
        while len(seen) < self._ordinary.num_zygotes:
            call = Call(program=text, args=["3"])
            outcome = await self._ordinary.run(call, other_than=tuple(seen))
            seen[outcome.seed] = outcome.values
        if set(seen.values()) == {found.values}:
            return "the same everywhere", ""
        return "certified", "certified, but its value differs between zygotes"

    async def _settle(self, before: HostState, program: Program) -> tuple[HostState, list[str]]:
        """The state afterwards and what is different; an end may still be on its way."""
        text = "\n".join(program.texts)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settle_s
        while True:
            after = take(watched=program.header.paths)
            left = changes(before, after, text=text)
            if not left or loop.time() > deadline:
                return after, left
            await asyncio.sleep(_POLL_S)


def _row(program: Program, **fields: object) -> Row:
    header = program.header
    return Row(name=program.name, kind=header.kind, expect=header.expect, **fields)  # type: ignore[arg-type]
