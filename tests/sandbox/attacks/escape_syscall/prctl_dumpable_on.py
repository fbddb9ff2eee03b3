# class: escape_syscall / expect: denied
# detect: the accepted value contains "DUMP-OK" (dumpable again)
# verify: contains:DUMP-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'DUMP-OK' if call(157, 4, 1, 0, 0, 0) == 0 else 'blocked'
