"""The system calls that a guest may make: allow-lists, compiled here, loaded in the guest.

    compute   (T0) memory, one socket to write to, and an end: a pure computation in CPython
    threads   (T1) that, and what it takes to start, lock and end threads of the same process

All else is refused with EPERM, which Python turns into a clean PermissionError; what no honest
program ever reaches, and every call through a foreign ABI (i386, x32), kills the process.

libseccomp is used for compiling only, on the host, before anything is confined: importing
pyseccomp looks for the library by starting programs, which a confined process cannot.
"""

import tempfile
from functools import cache
from typing import TYPE_CHECKING

from sandbox.errors import SandboxUnavailable
from sandbox.guest.claim import CALL_FD

if TYPE_CHECKING:
    import pyseccomp

_EPERM, _ENOSYS = 1, 38
_PROT_EXEC = 0x4
_MAP_ANONYMOUS = 0x20
_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020080
"""Every CLONE_NEW* flag: a thread that wants a namespace is none of ours."""
_COMPUTE = (
    "munmap", "brk", "mremap", "madvise", "exit", "exit_group", "rt_sigreturn",
)  # fmt: skip
_THREADS = (
    "futex", "gettid", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "set_robust_list", "rseq",
    "sched_yield", "membarrier", "clock_nanosleep",
)  # fmt: skip
_DEADLY = (
    "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "kexec_load", "init_module",
    "finit_module", "open_by_handle_at", "personality", "seccomp", "pidfd_getfd",
)  # fmt: skip


def compile_filters() -> dict[str, bytes]:
    """BPF instructions by filter's name; SandboxUnavailable if they cannot be made."""
    try:
        return {"compute": _compile(), "threads": _compile(threads=True)}
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        raise SandboxUnavailable(
            f"no system-call filter, so no sandbox: {error}. Install pyseccomp and the C library "
            "it needs (Debian: apt-get install libseccomp2), on Linux"
        ) from error


NO_FILTERS = {"compute": b"", "threads": b""}
"""For probes of the other layers."""


@cache
def _compile(*, threads: bool = False) -> bytes:
    import pyseccomp as sc

    rules = sc.SyscallFilter(sc.ERRNO(_EPERM))
    rules.set_attr(sc.Attr.ACT_BADARCH, sc.KILL_PROCESS)
    rules.set_attr(sc.Attr.CTL_OPTIMIZE, 2)  # a tree: the kernel tries every number at the load
    for name in _COMPUTE + (_THREADS if threads else ()):
        rules.add_rule(sc.ALLOW, _number(name))
    for name in _DEADLY:
        rules.add_rule(sc.KILL_PROCESS, _number(name))
    no_exec = sc.Arg(2, sc.MASKED_EQ, _PROT_EXEC, 0)
    anonymous = sc.Arg(3, sc.MASKED_EQ, _MAP_ANONYMOUS, _MAP_ANONYMOUS)
    rules.add_rule(sc.ALLOW, _number("write"), sc.Arg(0, sc.EQ, CALL_FD))
    rules.add_rule(sc.ALLOW, _number("mmap"), no_exec, anonymous)
    rules.add_rule(sc.ALLOW, _number("mprotect"), no_exec)
    if threads:
        thread = sc.Arg(0, sc.MASKED_EQ, _CLONE_THREAD | _CLONE_NEW, _CLONE_THREAD)
        rules.add_rule(sc.ALLOW, _number("clone"), thread)
        # Its flags are in memory, where a filter cannot look: the C library then takes clone.
        rules.add_rule(sc.ERRNO(_ENOSYS), _number("clone3"))
    return _export(rules)


def _number(name: str) -> int:
    import pyseccomp as sc

    found = sc.resolve_syscall(sc.Arch.NATIVE, name)
    if found < 0:
        raise ValueError(f"libseccomp does not know the system call {name}")
    return int(found)


def _export(rules: "pyseccomp.SyscallFilter") -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
