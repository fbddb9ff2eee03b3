"""Sleeping until a word of shared memory changes, and waking who sleeps: Linux's futex.

Only the low half of a word is looked at. The words are shared between processes, so none of the
calls is the private kind. Errors are not told apart: whoever sleeps looks again in any case.
"""

import ctypes
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

SYS_FUTEX: Final = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
"""None where we do not know the number: then there is no waking, and sleepers take short naps."""
SYS_FUTEX_WAITV: Final = {"x86_64": 449, "aarch64": 449}.get(platform.machine())
_WAIT: Final = 0
_WAKE: Final = 1
_SIZE_U32: Final = 2
_MOST_WORDS: Final = 128
_LOW_HALF: Final = 0xFFFFFFFF
_UNAVAILABLE: Final = frozenset({1, 22, 38})  # EPERM, EINVAL, ENOSYS

_syscall: Final = ctypes.CDLL(None, use_errno=True).syscall
_quick_syscall: Final = ctypes.CDLL(None).syscall  # without errno, which nobody reads here


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64))


class _Waiter(ctypes.Structure):
    _fields_ = (
        ("seen", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


def waker(address: int) -> Callable[[], object]:
    """A call that wakes one who sleeps on the word; its arguments are converted once, here."""
    at = ctypes.c_void_p(address)
    return partial(_quick_syscall, ctypes.c_long(SYS_FUTEX or 0), at, ctypes.c_int(_WAKE), 1)


def wait(address: int, *, seen: int, timeout_s: float) -> None:
    """Sleep while the word is `seen`, at most `timeout_s` below a second. Releases the GIL."""
    limit = _Timespec(0, int(timeout_s * 1e9))
    expected = ctypes.c_uint32(seen & _LOW_HALF)
    at = ctypes.c_void_p(address)
    _quick_syscall(SYS_FUTEX, at, _WAIT, expected, ctypes.byref(limit), None, 0)


def wait_any(addresses: Sequence[int], *, seen: Sequence[int], timeout_s: float) -> bool:
    """Sleep while each word is its `seen`, at most `timeout_s`; False if this kernel cannot."""
    if SYS_FUTEX_WAITV is None or len(addresses) > _MOST_WORDS:
        return False
    waiters = (_Waiter * len(addresses))(
        *(
            _Waiter(value & _LOW_HALF, address, _SIZE_U32, 0)
            for address, value in zip(addresses, seen, strict=True)
        )
    )
    until = _Timespec(*divmod(time.monotonic_ns() + int(timeout_s * 1e9), 10**9))
    result = _syscall(
        SYS_FUTEX_WAITV,
        ctypes.byref(waiters),
        len(addresses),
        0,
        ctypes.byref(until),
        time.CLOCK_MONOTONIC,
    )
    return result >= 0 or ctypes.get_errno() not in _UNAVAILABLE
