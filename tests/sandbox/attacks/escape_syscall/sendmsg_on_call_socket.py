# class: escape_syscall / expect: denied
# detect: the accepted value contains "SENDMSG-OK" (another call than write on descriptor 3)
# verify: contains:SENDMSG-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'SENDMSG-OK' if call(44, 3, ctypes.create_string_buffer(b"x"), 1, 0, 0, 0) >= 0 else 'blocked'
