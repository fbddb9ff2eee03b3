# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for number in (3, 5, 8, 16, 32, 33, 51, 52, 55, 72, 74, 75, 77, 85, 292):      # close fstat lseek ioctl dup dup2 getsockname ...
        if libc.syscall(number, 3, 0, 0, 0) >= 0 or ctypes.get_errno() != 1: return 'REACHED %d' % number
    return 'blocked'
