# class: escape_syscall / expect: denied
# detect: the accepted value contains "QUEUE-OK" (a signal to the zygote)
# verify: contains:QUEUE-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'QUEUE-OK' if call(297, 1, 1, 10, ctypes.create_string_buffer(128)) == 0 else 'blocked'
