# class: escape_syscall / expect: denied
# detect: the accepted value contains "MAPPED" (file-backed memory, or memory at address 0)
# verify: contains:MAPPED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def f(x):
    if libc.syscall(9, None, ctypes.c_long(4096), 1, 2, 3, 0) > 0: return 'MAPPED fd'
    if libc.syscall(9, ctypes.c_long(0), ctypes.c_long(4096), 3, 0x32, -1, 0) == 0: return 'MAPPED zero'
    return 'blocked %d' % ctypes.get_errno()
