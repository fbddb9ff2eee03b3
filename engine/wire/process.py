"""Which process is that, and does it still live?

A pid alone never decides: it is reused. Pid, start time (in clock ticks since boot) and boot
together name one process for ever. Linux only: /proc is the source.
"""

from dataclasses import dataclass
from functools import cache
from os import getpid
from pathlib import Path

import xxhash


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


@cache
def boot_hash() -> int:
    """A number that changes at every boot of this machine."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    return xxhash.xxh3_64_intdigest(boot_id)


def _start_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # The name in parentheses may hold spaces and parentheses: fields 3... follow the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    is_gone = fields[0] in "ZX"
    return 0 if is_gone else int(fields[19])
