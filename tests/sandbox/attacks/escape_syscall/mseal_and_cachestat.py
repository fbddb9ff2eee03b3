# class: escape_syscall / expect: denied
# detect: the accepted value contains "NEW-OK" (a system call newer than the filter)
# verify: contains:NEW-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'NEW-OK' if any(call(n, 0, 0, 0, 0) >= 0 for n in range(449, 470) if n != 462) else 'blocked'
