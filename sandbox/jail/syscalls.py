"""The system calls that a guest may make: an allow-list, compiled here, loaded in the guest.

A pure computation in CPython needs memory, one pipe to write to, and an end. All else is refused
with EPERM, which Python turns into a clean PermissionError; what no honest program ever reaches,
and every call through a foreign ABI (i386, x32), kills the process.

libseccomp is used for compiling only, on the host, before anything is confined: importing
pyseccomp looks for the library by starting programs, which a confined process cannot.
"""

import tempfile
from typing import TYPE_CHECKING

from sandbox.errors import SandboxUnavailable
from sandbox.guest.claim import CALL_FD

if TYPE_CHECKING:
    import pyseccomp

_EPERM = 1
_PROT_EXEC = 0x4
_MAP_ANONYMOUS = 0x20
_ALLOWED = (
    "munmap", "brk", "mremap", "madvise", "exit", "exit_group", "rt_sigreturn",
)  # fmt: skip
_DEADLY = (
    "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "kexec_load", "init_module",
    "finit_module", "open_by_handle_at", "personality", "seccomp", "pidfd_getfd",
)  # fmt: skip


def compile_filter() -> bytes:
    """BPF instructions of the guests' filter; SandboxUnavailable if they cannot be made."""
    try:
        return _compile()
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        raise SandboxUnavailable(
            f"no system-call filter, so no sandbox: {error}. Install pyseccomp and the C library "
            "it needs (Debian: apt-get install libseccomp2), on Linux"
        ) from error


def _compile() -> bytes:
    import pyseccomp as sc

    rules = sc.SyscallFilter(sc.ERRNO(_EPERM))
    rules.set_attr(sc.Attr.ACT_BADARCH, sc.KILL_PROCESS)

    def number(name: str) -> int:
        found = sc.resolve_syscall(sc.Arch.NATIVE, name)
        if found < 0:
            raise ValueError(f"libseccomp does not know the system call {name}")
        return int(found)

    for name in _ALLOWED:
        rules.add_rule(sc.ALLOW, number(name))
    for name in _DEADLY:
        rules.add_rule(sc.KILL_PROCESS, number(name))
    no_exec = sc.Arg(2, sc.MASKED_EQ, _PROT_EXEC, 0)
    anonymous = sc.Arg(3, sc.MASKED_EQ, _MAP_ANONYMOUS, _MAP_ANONYMOUS)
    rules.add_rule(sc.ALLOW, number("write"), sc.Arg(0, sc.EQ, CALL_FD))
    rules.add_rule(sc.ALLOW, number("mmap"), no_exec, anonymous)
    rules.add_rule(sc.ALLOW, number("mprotect"), no_exec)
    return _export(rules)


def _export(rules: "pyseccomp.SyscallFilter") -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
