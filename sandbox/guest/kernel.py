"""The few kernel calls that Python does not wrap, by ctypes; each raises OSError when refused.

Everything here runs in the zygote before it has a guest, or in a guest before it runs a program;
the libc handle is opened once, in the zygote, because a confined process cannot open files.
"""

import ctypes
import os
import platform
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_SET_TSC = 26
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_MDWE = 65
_PR_TSC_SIGSEGV = 2
_PR_MDWE_REFUSE_EXEC_GAIN = 1
_SECCOMP_SET_MODE_FILTER = 1
_BPF_INSTRUCTION_BYTES = 8
_PROT_NONE = 0
_MAP_PRIVATE = 0x02
_MAP_ANONYMOUS = 0x20
_CAPABILITY_VERSION_3 = 0x20080522
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7

# System calls without a wrapper in older C libraries. Landlock has one number everywhere.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "seccomp": 277},
}
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_RESTRICT_SELF = 446

_CAP_HEADER = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_ssize_t
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _check(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _number(name: str) -> int:
    try:
        return _NUMBERS[platform.machine()][name]
    except KeyError:
        raise OSError(f"{name}: its number on {platform.machine()} is not known") from None


def syscall(number: int, *args: object) -> int:
    """A raw system call with integer or buffer arguments."""
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return _check(_libc.syscall(ctypes.c_long(number), *plain), f"syscall {number}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); an empty `kind` or `data` is passed as NULL."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {target}")


def detach(target: str) -> None:
    """Lazily unmount `target` with everything below it."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of this mount namespace."""
    syscall(_number("pivot_root"), ctypes.c_char_p(new.encode()), ctypes.c_char_p(old.encode()))


def set_hostname(name: bytes) -> None:
    """Name this UTS namespace."""
    _check(_libc.sethostname(name, len(name)), "sethostname")


def _prctl(option: int, value: int, what: str) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), what)


def die_with_parent() -> None:
    """SIGKILL when the parent dies; a change of uid clears this, so ask for it afterwards."""
    _prctl(_PR_SET_PDEATHSIG, 9, "PR_SET_PDEATHSIG")


def forbid_dumps() -> None:
    """Not dumpable: no core, no ptrace and no /proc/PID/mem by processes of the same uid."""
    _prctl(_PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE")


def forbid_new_privileges() -> None:
    """Set-uid files give nothing from here on; also what lets a plain user load a filter."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def forbid_new_code() -> None:
    """Memory that was writable can never become executable (Linux 6.3)."""
    _prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN, "PR_SET_MDWE")


def trap_clock() -> None:
    """Reading the time-stamp counter is a SIGSEGV, and with it every clock of the vDSO (x86)."""
    _prctl(_PR_SET_TSC, _PR_TSC_SIGSEGV, "PR_SET_TSC")


def has_room(size: int) -> bool:
    """Whether the limit of the address space allows `size` bytes more."""
    arguments = (_PROT_NONE, _MAP_PRIVATE | _MAP_ANONYMOUS, -1, ctypes.c_ssize_t(0))
    address = _libc.mmap(None, ctypes.c_size_t(size), *arguments)
    if address == -1:
        ctypes.set_errno(0)  # a guest would find it there
        return False
    _check(_libc.munmap(ctypes.c_ssize_t(address), ctypes.c_size_t(size)), "munmap")
    return True


def keep_capabilities() -> None:
    """Let the permitted capabilities survive the next change from root to another user."""
    _prctl(_PR_SET_KEEPCAPS, 1, "PR_SET_KEEPCAPS")


def set_capabilities(*kept: int) -> None:
    """Effective and permitted capabilities become exactly `kept`, numbers below 32."""
    mask = sum(1 << number for number in kept)
    _check(_libc.capset(_CAP_HEADER, struct.pack("6I", mask, mask, 0, 0, 0, 0)), "capset")


class Filter:
    """A compiled seccomp program, laid out in the zygote so that a guest only has to load it."""

    __slots__ = ("_buffer", "_number", "_program", "num_instructions")

    def __init__(self, instructions: bytes) -> None:
        count, rest = divmod(len(instructions), _BPF_INSTRUCTION_BYTES)
        if rest or not count:
            raise ValueError(f"a filter is whole BPF instructions, got {len(instructions)} bytes")
        self.num_instructions = count
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))
        address = ctypes.addressof(self._buffer)
        self._program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", count, address), 16)
        self._number = _number("seccomp")

    def load(self) -> None:
        """Confine this thread, and all it may ever fork, for good."""
        syscall(self._number, _SECCOMP_SET_MODE_FILTER, 0, self._program)
