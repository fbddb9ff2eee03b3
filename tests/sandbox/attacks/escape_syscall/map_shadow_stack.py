# class: escape_syscall / expect: denied
# detect: the accepted value contains "SHSTK-OK" (a new kind of memory)
# verify: contains:SHSTK-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'SHSTK-OK' if call(453, 0, 4096, 1) > 0 else 'blocked'
