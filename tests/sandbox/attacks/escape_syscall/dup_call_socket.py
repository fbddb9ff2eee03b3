# class: escape_syscall / expect: denied
# detect: the accepted value contains "DUP-OK" (a second descriptor)
# verify: contains:DUP-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'DUP-OK' if any(call(*c) >= 0 for c in ((32, 3), (33, 3, 9), (292, 3, 9, 0), (72, 3, 0, 5))) else 'blocked'
