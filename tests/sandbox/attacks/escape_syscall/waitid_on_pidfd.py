# class: escape_syscall / expect: denied
# detect: the accepted value contains "WAIT-OK" (waiting for what is not its child)
# verify: contains:WAIT-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'WAIT-OK' if call(247, 0, 0, 0, 5, 0) == 0 else 'blocked'
