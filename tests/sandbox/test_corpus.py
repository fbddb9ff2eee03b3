"""Every attack of the corpus, with every module open to it, so that only the walls can hold.

For each file, in both hash families: its detection stays silent, the verdict is one that holds,
and the next guest of the same zygote gets the right answer. Nothing arrives at the listeners, no
signal at this process, no file on the disk.
"""

import ast
import contextlib
import importlib.util
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import Call, Certificate, Limits, Outcome, Sandbox, Verdict, certify, render
from sandbox.modules import GUEST_MODULES

CORPUS = next(
    (d for p in Path(__file__).resolve().parents if (d := p / "shared" / "attacks").is_dir()), None
)
FILES = sorted(CORPUS.glob("*/*.py")) if CORPUS else []
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="no folder shared/attacks beside this repository"),
]

OPEN_MODULES = (
    "_posixsubprocess", "asyncio", "atexit", "builtins", "codecs", "concurrent.futures", "ctypes",
    "ctypes.util", "faulthandler", "fcntl", "gc", "importlib", "importlib.util", "inspect", "io",
    "linecache", "logging", "marshal", "mmap", "multiprocessing", "multiprocessing.shared_memory",
    "os", "pathlib", "pickle", "platform", "posix", "pty", "pwd", "queue", "resource", "secrets",
    "select", "selectors", "shutil", "signal", "site", "socket", "sqlite3", "subprocess",
    "tempfile", "threading", "traceback", "types", "uuid", "weakref",
)  # fmt: skip
CONTAINED = {
    "denied": {Verdict.FORBIDDEN, Verdict.RAISED, Verdict.CRASHED, Verdict.UNENCODABLE,
               Verdict.INVALID},
    "timeout": {Verdict.TIMEOUT, Verdict.FORBIDDEN, Verdict.RAISED, Verdict.MEMORY,
                Verdict.CRASHED, Verdict.UNENCODABLE},
    "oom": {Verdict.MEMORY, Verdict.FORBIDDEN, Verdict.TIMEOUT, Verdict.RAISED,
            Verdict.UNENCODABLE},
    "error": set(Verdict) - {Verdict.OK, Verdict.LOST, Verdict.NONDETERMINISTIC},
}  # fmt: skip
QUIET = re.compile(r"blocked|nothing|no |none|done|sent|-?\d+|planted|hooked", re.IGNORECASE)
# Values that a program may well return: it changes a constant, or installs a hook, of its own.
OWN_BUSINESS = {"mutate_immutable_const", "audit_hook_spy"}
HONEST = Call(program="def f(x): return [int('3') + int('4') == 7, sorted(x)]", args=["[2, 1]"])


@dataclass
class Traps:
    """What would notice a guest that got out."""

    port: int
    sockets: list[socket.socket]
    signals: list[int] = field(default_factory=list)

    def sprung(self) -> list[str]:
        found = [f"signal {number}" for number in self.signals]
        for trap in self.sockets:
            with contextlib.suppress(BlockingIOError):
                if trap.type == socket.SOCK_DGRAM:
                    found.append(f"datagram {trap.recv(99)!r}")
                else:
                    connection, _ = trap.accept()
                    connection.close()
                    found.append("connection")
        found += [str(path) for path in Path("/tmp").glob("pwned_*")]
        found += [str(path) for path in Path.cwd().glob("pwned_*")]
        return found


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0sbx_canary_abs_{os.getpid()}")
        abstract.listen()
        sockets = [tcp, udp, abstract]
        for trap in sockets:
            trap.setblocking(False)
        found = Traps(port, sockets)
        old = signal.signal(signal.SIGUSR1, lambda number, _: found.signals.append(number))
        yield found
        signal.signal(signal.SIGUSR1, old)


@pytest.fixture(scope="module")
async def open_sandbox() -> Iterator[Sandbox]:
    modules = [name for name in OPEN_MODULES if importlib.util.find_spec(name)]
    limits = Limits(wall_s=0.7, cpu_s=1.0)
    async with Sandbox(workers=1, limits=limits, modules=(*GUEST_MODULES, *modules)) as sandbox:
        yield sandbox


def call_of(path: Path, port: int) -> Call:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    text = text.replace("@sbx_canary_abs", f"@sbx_canary_abs_{os.getpid()}")
    text = text.replace("\\0sbx_canary_abs", f"\\0sbx_canary_abs_{os.getpid()}")
    for line in text.splitlines():
        if line.startswith("INPUT = "):
            return Call(program=text, args=[ast.literal_eval(line.removeprefix("INPUT = "))])
    return Call(program=text, args=[str(port) if path.parent.name == "network" else "3"])


def header(path: Path, key: str) -> str:
    found = re.search(rf"{key}: *(.*)", path.read_bytes()[:600].decode("latin-1"))
    return found[1].strip() if found else ""


def complaint(path: Path, outcome: Outcome) -> str:
    """What is wrong with this outcome, if anything."""
    text = " ".join(render(value) for value in outcome.values)
    verify, _, marker = header(path, "verify").partition(":")
    is_forbidden_value = verify in ("contains", "value") and path.parent.name != "output_abuse"
    if is_forbidden_value and marker in text and path.stem not in OWN_BUSINESS:
        return f"the value has {marker}: {text}"
    if outcome.verdict is Verdict.LOST:
        return "the worker was lost"
    allowed = CONTAINED.get(header(path, "expect"))
    if (
        allowed
        and outcome.verdict not in allowed
        and not (outcome.verdict is Verdict.OK and QUIET.search(text))
    ):
        return f"{outcome.verdict}: {text}"
    return ""


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_an_attack_is_contained(open_sandbox: Sandbox, traps: Traps, path: Path, family: int):
    outcome = await open_sandbox.run(call_of(path, traps.port), family=family)
    assert complaint(path, outcome) == ""
    after = await open_sandbox.run(HONEST, family=family)
    assert [render(value) for value in after.values] == ["[True, [1, 2]]"]
    assert traps.sprung() == []
    assert open_sandbox.status().num_starts == open_sandbox.num_zygotes


VICTIMS = [path for path in FILES if b"\nVICTIM = " in path.read_bytes()]


def victim_of(path: Path) -> Call:
    constants = {
        target.id: statement.value
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return Call(program=ast.literal_eval(constants["VICTIM"]), args=["3"])


@pytest.mark.parametrize("path", VICTIMS, ids=lambda path: path.stem)
async def test_the_victim_of_an_attack_notices_nothing(open_sandbox: Sandbox, path: Path):
    victim = victim_of(path)
    before = await open_sandbox.run(victim, family=0)
    assert (await open_sandbox.run(call_of(path, 0), family=0)).verdict is not Verdict.LOST
    after = await open_sandbox.run(victim, family=0)
    assert (after.verdict, after.values) == (before.verdict, before.values)


NONDETERMINISTIC = [p for p in FILES if header(p, "expect") == "nondeterministic"]


@pytest.mark.parametrize("path", NONDETERMINISTIC, ids=lambda path: path.stem)
async def test_no_nondeterministic_program_gets_a_certificate(sandbox: Sandbox, path: Path):
    found = await certify(sandbox, program=call_of(path, 0).program, args=["3"])
    if path.stem == "str_set_text_order":  # its text depends on the hash seed, its value does not
        assert isinstance(found, Certificate)
    else:
        assert not isinstance(found, Certificate), found


@pytest.mark.parametrize("path", NONDETERMINISTIC, ids=lambda path: path.stem)
async def test_without_the_screen_two_zygotes_still_disagree(open_sandbox: Sandbox, path: Path):
    call = call_of(path, 0)
    outcomes = [await open_sandbox.run(call, family=family) for family in (0, 1)]
    values = {outcome.values for outcome in outcomes}
    constant = {"getpid", "pid_parity_hidden", "str_set_text_order"}  # -1 to all; a set's value
    assert values == {()} or len(values) == 2 or path.stem in constant, outcomes
