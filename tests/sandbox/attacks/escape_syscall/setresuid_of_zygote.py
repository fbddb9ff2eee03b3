# class: escape_syscall / expect: denied
# detect: the accepted value contains "UID-OK" (the uid of the zygote)
# verify: contains:UID-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'UID-OK' if any(call(117, u, u, u) == 0 for u in (0, 61000, 61001)) else 'blocked'
