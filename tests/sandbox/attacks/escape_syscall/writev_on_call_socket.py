# class: escape_syscall / expect: denied
# detect: the accepted value contains "WRITEV-OK" (another call than write on descriptor 3)
# verify: contains:WRITEV-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'WRITEV-OK' if call(20, 3, ctypes.create_string_buffer(16), 1) >= 0 else 'blocked'
