"""What the host is made of, so far as a guest must not change it: taken twice and compared.

Of this process: descriptors, threads, descendants, working directory, umask, identity, signal
state, limits, mounts. Of the machine: System V IPC, POSIX message queues, keys, and what lies in
/tmp, /dev/shm, the working directory and beside the standard library, and named unix sockets.

A machine is shared, so of what has names and lies around only that counts which a guest can have
left: it belongs to a uid that guests have, has a canary's name, or is named in the program's text.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.corpus.traps import TRAP_NAMES

_CANARIES = ("pwned", "sbx")
_GUEST_UIDS = range(61_000, 62_000)
_STATUS = (
    "Name", "Umask", "Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapEff", "SigBlk", "SigIgn",
    "SigCgt", "Cpus_allowed", "TracerPid",
)  # fmt: skip
_QUEUES = Path("/dev/mqueue")
RSS_TOLERANCE = 0.05
RSS_TOLERANCE_MB = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """One moment of the host."""

    facts: dict[str, str]
    """What must be the same, by name."""
    objects: dict[str, frozenset[str]]
    """What may go but not come, by kind."""
    names: frozenset[str]
    """Files and sockets, each counted only if a guest can have left it."""
    rss_mb: float


def take(*, watched: tuple[str, ...] = ()) -> HostState:
    """The host as it is now; `watched` are paths that this program would make."""
    status = _status()
    return HostState(
        facts={name: status.get(name, "") for name in _STATUS}
        | {"cwd": _cwd(), "environment": str(sorted(os.environ)), "host name": os.uname().nodename}
        | {"limits": _text("/proc/self/limits")},
        objects={
            "descriptor": _descriptors(),
            "mount": frozenset(_text("/proc/self/mounts").splitlines()),
            "thread": frozenset(_listing(Path("/proc/self/task"))),
            "process": _descendants(os.getpid()),
            "System V object": _sysv(),
            "message queue": frozenset(_listing(_QUEUES)),
            "key": _keys(),
            "watched path": frozenset(path for path in watched if os.path.lexists(path)),
        },
        names=_files() | _sockets(),
        rss_mb=int(status["VmRSS"].split()[0]) / 1024,
    )


def changes(before: HostState, after: HostState, *, text: str = "") -> list[str]:
    """What is different, one clause each; `text` is the program that ran between."""
    found = [f"{name} changed" for name, fact in before.facts.items() if after.facts[name] != fact]
    for kind, old in before.objects.items():
        found += [f"{kind} left: {new}" for new in sorted(after.objects[kind] - old)]
    for kind in ("descriptor", "mount"):
        fewer = before.objects[kind] - after.objects[kind]
        found += [f"{kind} lost: {gone}" for gone in sorted(fewer)]
    new_names = sorted(after.names - before.names)
    return found + [f"left: {name}" for name in new_names if _is_suspect(name, text)]


def rss_complaint(before_mb: float, after_mb: float) -> str:
    """What is wrong with the growth of this process over a whole run, if anything."""
    allowed = before_mb * (1 + RSS_TOLERANCE) + RSS_TOLERANCE_MB
    if after_mb <= allowed:
        return ""
    return f"the host grew from {before_mb:.0f} to {after_mb:.0f} MB, over {allowed:.0f}"


def _is_suspect(name: str, text: str) -> bool:
    base = name.rpartition("/")[2].lstrip("@")
    if base.startswith(TRAP_NAMES):  # of another run on this machine
        return False
    if any(canary in base for canary in _CANARIES) or (len(base) > 3 and base in text):
        return True
    try:
        owner = os.lstat(name).st_uid
    except OSError:
        return False
    return owner in _GUEST_UIDS


def _status() -> dict[str, str]:
    lines = _text("/proc/self/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _text(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _listing(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "gone"


def _descriptors() -> frozenset[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.append(f"{link.name} -> {link.readlink()}")
        except OSError:
            continue  # the one that this listing was read through
    return frozenset(found)


def _descendants(root: int) -> frozenset[str]:
    """Processes below us, zombies too; an orphan below us is adopted by us (see traps)."""
    parents: dict[int, int] = {}
    for entry in _listing(Path("/proc")):
        stat = _text(f"/proc/{entry}/stat") if entry.isdigit() else ""
        if stat:
            parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    found = {root}
    grows = True
    while grows:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        found |= below
        grows = bool(below)
    return frozenset(str(pid) for pid in found - {root})


def _sysv() -> frozenset[str]:
    found = set()
    for kind in ("msg", "sem", "shm"):
        rows = _text(f"/proc/sysvipc/{kind}").splitlines()[1:]
        found |= {f"{kind} key {row.split()[0]} id {row.split()[1]}" for row in rows}
    return frozenset(found)


def _keys() -> frozenset[str]:
    """Keys by serial, type and description; the keyrings that a login makes are not a guest's."""
    rows = [row.split() for row in _text("/proc/keys").splitlines()]
    return frozenset(
        f"{row[0]} {' '.join(row[7:9])}"
        for row in rows
        if len(row) > 8 and not row[8].startswith(("_ses", "_uid", "_tid", "_pid"))
    )


def _files() -> frozenset[str]:
    folders = {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", _cwd()}
    folders.add(str(Path(os.__file__).parent))
    return frozenset(f"{folder}/{name}" for folder in folders for name in _listing(Path(folder)))


def _sockets() -> frozenset[str]:
    rows = (row.split() for row in _text("/proc/net/unix").splitlines()[1:])
    return frozenset(row[7] for row in rows if len(row) > 7)
