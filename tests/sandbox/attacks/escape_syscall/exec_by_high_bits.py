# class: escape_syscall / expect: denied
# detect: the accepted value contains "EXEC-OK"
# verify: contains:EXEC-OK
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def f(x):
    for prot in (0x7, 0x5, 0x100000007, 0x4, 0x1000007, 0x2000005):
        at = libc.syscall(9, None, ctypes.c_long(4096), ctypes.c_long(prot), 0x22, -1, 0)
        if at > 0: return 'EXEC-OK %x' % prot
    at = libc.syscall(9, None, ctypes.c_long(4096), 3, 0x22, -1, 0)
    for number in (10, 329):                     # mprotect, pkey_mprotect
        if libc.syscall(number, ctypes.c_long(at), ctypes.c_long(4096), ctypes.c_long(5), ctypes.c_long(-1)) == 0: return 'EXEC-OK %d' % number
    return 'blocked %d' % ctypes.get_errno()
