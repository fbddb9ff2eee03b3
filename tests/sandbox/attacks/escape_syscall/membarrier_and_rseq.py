# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for number, args in ((324, (0, 0, 0)), (334, (None, 0, 0, 0)), (273, (None, 24)), (218, (None,)), (274, (0, None, None)), (309, (None, None, None))):
        if libc.syscall(number, *args) >= 0 or ctypes.get_errno() != 1: return 'REACHED %d' % number
    return 'blocked'
