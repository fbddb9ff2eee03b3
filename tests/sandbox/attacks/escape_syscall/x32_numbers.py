# class: escape_syscall / expect: denied
# detect: the accepted value contains "X32-OK"
# verify: contains:X32-OK
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    got = libc.syscall(0x40000000 | 39)
    return 'X32-OK' if got > 0 else 'blocked %d' % ctypes.get_errno()
