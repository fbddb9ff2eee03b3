"""What tests ask of a pool and do to its processes, and which verdicts may come of it."""

import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import Verdict

PROGRAMS = {
    "quick": ("def f(x): return x + 1", {Verdict.OK}),
    "busy": ("def f(x): return sum(range(200_000)) > x", {Verdict.OK}),
    "slow": ("def f(x):\n while True: pass", {Verdict.TIMEOUT}),
    "raises": ("def f(x): return 1 // 0", {Verdict.RAISED}),
    "dies": ("import sys\ndef f(x): sys.modules['os']._exit(0)", {Verdict.CRASHED}),
    "hoards": ("def f(x): return bytearray(1 << 40)", {Verdict.MEMORY}),
    "floods": ("def f(x): return 'x' * 999_999", {Verdict.OUTPUT}),
    "is too big": ("#" * 70_000, {Verdict.INVALID}),
}


@dataclass(slots=True)
class Faults:
    """What was done to a pool; each allows verdicts that are no fault of the programs."""

    zygotes_killed: int = 0
    guests_killed: bool = False
    frozen: set[int] = field(default_factory=set)
    ever_frozen: bool = False

    def allowed(self) -> set[Verdict]:
        """A call is lost only if it has lost two zygotes."""
        found = {Verdict.LOST} if self.zygotes_killed >= 2 else set()
        found |= {Verdict.CRASHED} if self.guests_killed else set()
        return found | ({Verdict.TIMEOUT} if self.ever_frozen else set())


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])
    return 0


def pick(items: list[int], index: int) -> int | None:
    return items[index % len(items)] if items else None
