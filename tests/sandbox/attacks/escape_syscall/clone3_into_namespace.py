# class: escape_syscall / expect: denied
# detect: the accepted value contains "CLONED"
# verify: contains:CLONED
import os, struct
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for flags in (0x10000000 | 0x20000000, 0):
        pid = libc.syscall(435, struct.pack('<11Q', flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), ctypes.c_long(88))
        if pid == 0: os._exit(0)
        if pid > 0: return 'CLONED %d' % pid
    return 'blocked %d' % ctypes.get_errno()
