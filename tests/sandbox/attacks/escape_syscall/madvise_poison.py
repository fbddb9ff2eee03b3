# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED" (the privileged half of an allowed call, on an address that is not mapped)
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for advice in (100, 101):
        if libc.madvise(None, ctypes.c_size_t(4096), advice) == 0: return 'REACHED %d' % advice
    return 'blocked'
