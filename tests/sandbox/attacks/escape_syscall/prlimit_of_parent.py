# class: escape_syscall / expect: denied
# detect: the accepted value contains "PRLIMIT-OK" (limits of the zygote)
# verify: contains:PRLIMIT-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'PRLIMIT-OK' if call(302, 1, 0, ctypes.create_string_buffer(bytes(16)), 0) == 0 else 'blocked'
