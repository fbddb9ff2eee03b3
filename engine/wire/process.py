"""Which process is that, and does it still live?

A pid alone never decides: it is reused. Pid, start time (in clock ticks since boot) and boot
together name one process for ever. Linux only: /proc is the source.
"""

import hashlib
import time
from dataclasses import dataclass
from functools import cache
from os import getpid
from pathlib import Path
from typing import Final

_LOOKS: Final = 3
_LOOK_S: Final = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process, told apart from every later holder of its pid."""

    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat."""
    boot: int
    """64-bit hash of the kernel's boot id."""

    @classmethod
    def current(cls) -> "ProcessIdentity":
        """The calling process. Not cached: after a fork it is another one."""
        return cls.of(getpid())

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The process that has `pid` now; start_ticks is 0 if there is none."""
        return cls(pid=pid, start_ticks=_start_ticks(pid), boot=boot_hash())

    def is_alive(self) -> bool:
        """True while this very process runs; a zombie counts as dead."""
        if self.pid <= 0 or self.boot != boot_hash():
            return False
        return self.start_ticks == _start_ticks(self.pid) != 0

    def is_suspended(self) -> bool:
        """True while it is alive and stopped, by SIGSTOP or by a debugger."""
        return self.is_alive() and _stat(Path(f"/proc/{self.pid}/stat"))[:1] in (["T"], ["t"])

    def is_computing(self) -> bool:
        """True if a thread of it runs, or waits for a processor or a disk, whenever one looks."""
        for look in range(_LOOKS):
            time.sleep(_LOOK_S if look else 0)  # one that is just falling asleep still runs
            threads = Path(f"/proc/{self.pid}/task").glob("*/stat") if self.is_alive() else ()
            if not any(_stat(thread)[:1] in (["R"], ["D"]) for thread in threads):
                return False
        return True


@cache
def boot_hash() -> int:
    """A number that changes at every boot of this machine."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    return int.from_bytes(hashlib.blake2b(boot_id, digest_size=8).digest(), "little")


def _start_ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    is_gone = not fields or fields[0] in "ZX"
    return 0 if is_gone else int(fields[19])


def _stat(path: Path) -> list[str]:
    """Fields 3 and following of a stat file of /proc; none if there is no such process."""
    try:
        stat = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name in parentheses may hold spaces and parentheses: fields 3... follow the last one.
    return stat[stat.rindex(")") + 2 :].split()


def lock_holders(path: Path) -> set[int]:
    """Pids that hold the exclusive flock of a file or directory, as far as the kernel lists them.

    Not a holder of another pid namespace, and none at all where /proc/locks cannot be read.
    """
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return set()
    holders = set()
    for fields in map(str.split, lines):
        match fields:
            case [_, "FLOCK", _, "WRITE", holder, file, *_] if file.rpartition(":")[2] == inode:
                holders.add(int(holder))
    return holders
