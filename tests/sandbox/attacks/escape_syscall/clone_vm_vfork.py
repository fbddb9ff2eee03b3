# class: escape_syscall / expect: denied
# detect: the accepted value contains "CLONED" (a process)
# verify: contains:CLONED
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'CLONED' if call(56, 0x4111, 0, 0, 0, 0) > 0 else 'blocked'
