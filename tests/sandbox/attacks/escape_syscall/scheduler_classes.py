# class: escape_syscall / expect: denied
# detect: the accepted value contains "SCHEDULED"
# verify: contains:SCHEDULED
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    nobody = 0x3fffffff                             # no such process: another error than EPERM says that the kernel looked
    for number in (144, 142, 145, 143, 203, 204, 140, 141, 251, 252, 315, 314):
        if libc.syscall(number, nobody, 0, 0, 0) >= 0 or ctypes.get_errno() != 1: return 'SCHEDULED %d' % number
    return 'blocked'
