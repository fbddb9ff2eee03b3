"""What a program costs without a sandbox, by the standard library alone: the limit and the floor.

    exec        compile, call, repr in the calling process: the limit
    fork-exit   a fork of a small interpreter that ends at once: the floor of a process
    fork        the same fork compiles, calls, writes and ends: the floor of a guest
    python      a fresh `python -I -S` for each program

The small interpreter has the modules of a zygote imported and frozen, and nothing of a jail. Its
text is below and fixed, and so are the programs it is given: nobody else's come near this process.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.bench import Turn
from sandbox.errors import SandboxError
from sandbox.modules import GUEST_MODULES

# Stands in for the package, as in a zygote; then the rival named by argv[2] answers requests.
_FLOOR = """
import gc, importlib, json, os, sys, types
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox import turn

def run_here(program, arguments):
    namespace = {}
    exec(compile(program, "<program>", "exec"), namespace)
    return [repr(eval(f"f({text})", namespace)) for text in arguments]

def run_in_fork(program, arguments):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(theirs, "\\n".join(run_here(program, arguments)).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(theirs)
    parts = []
    while part := os.read(ours, 65536):
        parts.append(part)
    os.close(ours)
    os.waitpid(pid, 0)
    return b"".join(parts).decode().split("\\n")

def run_in_python(program, arguments):
    import subprocess  # which brings threading, whose work after a fork would weigh on the floor
    calls = "".join(f"print(repr(f({text})))\\n" for text in arguments)
    command = [sys.executable, "-I", "-S", "-c", f"{program}\\n{calls}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()

def only_fork(program, arguments):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

_, _, kind, modules, ballast_mb = sys.argv
for name in json.loads(modules):
    importlib.import_module(name)
ballast = b"x" * (int(ballast_mb) << 20)
gc.collect()
gc.freeze()
if kind.startswith("fork"):
    gc.disable()
run = {
    "exec": run_here, "fork": run_in_fork, "fork-exit": only_fork, "python": run_in_python
}[kind]
turn.serve(lambda request: turn.take(run, request))
"""


class Caller:
    """A process that answers requests of `sandbox.turn`; closed, it ends."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        """For whoever wants to look at it."""
        return self._process.pid

    def ask(self, request: dict[str, object]) -> None:
        """Order a turn."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead: `answer` says so
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def answer(self) -> Turn:
        """Wait for the end of the turn, or of the process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SandboxError(f"a contender died: exit status {self._process.wait()}")
        return Turn.of(json.loads(line))

    def close(self) -> None:
        """End it; a caller in the middle of a turn is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def start(kind: str, *, ballast_mb: int = 0, modules: Sequence[str] = GUEST_MODULES) -> Caller:
    """A caller for one of the four: `exec`, `fork`, `fork-exit` or `python`."""
    here = str(Path(__file__).resolve().parent)
    flags = ("-P", "-s", "-S", "-X", "utf8")
    arguments = (here, kind, json.dumps(list(modules)), str(ballast_mb))
    return Caller([sys.executable, *flags, "-c", _FLOOR, *arguments])


def take_turn(callers: Sequence[Caller], request: dict[str, object]) -> Turn:
    """One turn of a contender that has a process for each lane."""
    for caller in callers:
        caller.ask(request)
    first, *others = [caller.answer() for caller in callers]
    for other in others:
        first.beside(other)
    return first
