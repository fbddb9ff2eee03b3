# class: escape_syscall / expect: denied
# detect: the accepted value contains "EXEC-OK" (memory that is executable)
# verify: contains:EXEC-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'EXEC-OK' if call(10, 0, 0, 0x01000004) == 0 or call(329, 0, 4096, 7, -1) == 0 else 'blocked'
