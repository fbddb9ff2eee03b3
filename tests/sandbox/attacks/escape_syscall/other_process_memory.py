# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for number, args in ((440, (3, None, 0, 20, 0)), (448, (3, 0)), (312, (1, 1, 0, 0, 0)), (279, (1, 0, None, None, None, 0)), (256, (1, 0, None, None)), (302, (1, 7, None, None))):
        if libc.syscall(number, *args) >= 0 or ctypes.get_errno() != 1: return 'REACHED %d' % number
    return 'blocked'
