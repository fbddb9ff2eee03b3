# class: escape_syscall / expect: denied
# detect: the accepted value contains "RELEASE-OK" (memory of another)
# verify: contains:RELEASE-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'RELEASE-OK' if call(448, 3, 0) == 0 else 'blocked'
