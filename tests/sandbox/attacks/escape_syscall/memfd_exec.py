# class: escape_syscall / expect: denied
# detect: the accepted value contains "MEMFD-OK"
# verify: contains:MEMFD-OK
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    fd = libc.syscall(319, b'x', 1)
    if fd < 0: fd = libc.syscall(447, 0)          # memfd_secret
    return 'MEMFD-OK' if fd >= 0 else 'blocked %d' % ctypes.get_errno()
