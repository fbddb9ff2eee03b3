"""How a zygote jails itself, once, before its first guest; every guest inherits all of it.

Two steps because a pid namespace begins with the next child: `leave_namespaces` in the outer
process, `enter_jail` in the inner one, which is pid 1 of its namespace and forks the guests.
Each layer reports whether it is on and why not; the host decides what is mandatory.
"""

import _thread
import os
import resource
from collections.abc import Callable
from pathlib import Path

from sandbox.guest import kernel, landlock

Report = dict[str, tuple[bool, str]]
"""Layer name -> (is it on, detail)."""

_NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
)
_NOBODY = 65534
_MOUNT_POINTS = ("/tmp", "/var", "/usr", "/dev")


def leave_namespaces(report: Report) -> None:
    """Unshare mount, pid, ipc, uts, net and cgroup; with a user namespace where needed."""
    try:
        try:
            kernel.unshare(_NAMESPACES)
            detail = "mount pid ipc uts net cgroup"
        except PermissionError:
            _leave_user_namespace()
            detail = "user mount pid ipc uts net cgroup"
        report["namespaces"] = (True, detail)
    except OSError as error:
        report["namespaces"] = (False, f"unshare refused: {error.strerror or error}")


def _leave_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | _NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_NOBODY} {gid} 1")


def enter_jail(report: Report, *, uid: int, skip: frozenset[str]) -> None:
    """Empty root, no privileges, no capabilities; `skip` names layers a probe leaves out."""
    if report.get("namespaces", (False, ""))[0]:
        _attempt(report, "root", skip, _enter_empty_root)
    else:
        report["root"] = (False, "needs the mount namespace")
    _attempt(report, "no_new_privs", skip, kernel.forbid_new_privileges)
    _attempt(report, "uid", skip, lambda: _drop_uid(uid))
    _attempt(report, "landlock", skip, landlock.deny_all)
    _attempt(report, "mdwe", skip, kernel.forbid_new_code)
    _attempt(report, "clock", skip, _probe_clock_trap)
    kernel.forbid_dumps()
    kernel.die_with_parent()


def _attempt(
    report: Report, layer: str, skip: frozenset[str], apply: Callable[[], str | None]
) -> None:
    if layer in skip:
        report[layer] = (False, "left out on request")
        return
    try:
        report[layer] = (True, apply() or "")
    except OSError as error:
        report[layer] = (False, error.strerror or str(error))


def _enter_empty_root() -> str:
    """An empty read-only tmpfs becomes the root; the old one is detached, not only hidden."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    point = next(path for path in _MOUNT_POINTS if Path(path).is_dir())
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("none", point, kind="tmpfs", flags=quiet, data="size=4k,nr_inodes=2,mode=555")
    os.chdir(point)
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")
    kernel.mount("none", "/", flags=kernel.MS_REMOUNT | kernel.MS_RDONLY | quiet)
    kernel.set_hostname(b"guest")
    return "empty, read-only"


def _drop_uid(uid: int) -> str:
    """To a uid of this zygote's own where we are root, without capabilities in any case."""
    if os.geteuid() == 0:
        for candidate in (uid, _NOBODY):
            try:
                os.setgroups([])
                os.setresgid(candidate, candidate, candidate)
                os.setresuid(candidate, candidate, candidate)
                return f"uid {candidate}"
            except OSError as error:
                refused = error
        raise refused
    kernel.drop_capabilities()
    return f"uid {os.geteuid()}, shared with the host's user"


def _probe_clock_trap() -> str:
    """Each guest sets the trap itself; two trial children tell whether that is of use here.

    One makes ordinary calls and must survive: CPython 3.12 takes a lock, and with it reads a
    clock, at the first keyword call of each of its functions. One reads the clock and must die:
    some machines have theirs elsewhere than in the time-stamp counter.
    """
    if not _survives_trap(_call_by_keyword):
        raise OSError("not on this processor, or this Python reads clocks on its own (3.12 does)")
    if _survives_trap(_wait_a_moment):
        raise OSError("the clock of this machine is not the time-stamp counter")
    return "time-stamp counter trapped"


def _call_by_keyword() -> None:
    """Functions that nothing else here has called yet."""
    "".expandtabs(tabsize=4)
    b"".splitlines(keepends=True)
    bytearray().rsplit(sep=None, maxsplit=1)
    sum((), start=0)


def _wait_a_moment() -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire(True, 0.001)


def _survives_trap(action: Callable[[], None]) -> bool:
    """Whether a child with the trap set gets through `action`."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.trap_clock()
            action()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def limit_guest(*, cpu_s: int, memory_bytes: int) -> None:
    """The limits of one guest; memory is its whole address space, the zygote's part included.

    All that can hold memory outside the address space (files, shared memory, queues) is zero.
    """
    limits = (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_NOFILE, 4, 4),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_STACK, *_stack_limit()),
    )
    for which, soft, hard in limits:
        resource.setrlimit(which, (soft, hard))


def _stack_limit() -> tuple[int, int]:
    wanted = 8 << 20
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    size = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return size, size
