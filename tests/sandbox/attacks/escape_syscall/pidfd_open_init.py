# class: escape_syscall / expect: denied
# detect: the accepted value contains "PIDFD-OK" (a descriptor for the zygote)
# verify: contains:PIDFD-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'PIDFD-OK' if call(434, 1, 0) >= 0 else 'blocked'
