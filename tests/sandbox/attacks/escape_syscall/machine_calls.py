# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED" (arguments that no kernel obeys; an error other than the filter's says that it was asked)
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    nowhere = b'/nonexistent/pwned'
    for number, args in ((167, (nowhere, -1)), (168, (nowhere,)), (163, (nowhere,)), (170, (nowhere, -1)), (171, (nowhere, -1)), (169, (0, 0, 0, None)), (179, (0x800001, nowhere, 0, None)), (173, (0x80, 1, 99)), (154, (9, None, 0)), (103, (10, None, 0)), (99, (None,)), (63, (None,))):
        if libc.syscall(number, *args) >= 0 or ctypes.get_errno() != 1: return 'REACHED %d' % number
    return 'blocked'
