# class: escape_syscall / expect: denied
# detect: the accepted value contains "SHUT-OK" (the call socket is shut down and the host thinks it lost)
# verify: contains:SHUT-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'SHUT-OK' if call(48, 3, 2) == 0 else 'blocked'
