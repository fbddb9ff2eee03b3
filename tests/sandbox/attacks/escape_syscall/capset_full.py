# class: escape_syscall / expect: denied
# detect: the accepted value contains "CAPS-OK" (capabilities again)
# verify: contains:CAPS-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'CAPS-OK' if call(126, ctypes.create_string_buffer(b"\x22\x05\x08\x20\0\0\0\0"), ctypes.create_string_buffer(b"\xff" * 24)) == 0 else 'blocked'
