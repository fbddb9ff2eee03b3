# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED" (another error than the filter's)
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    piece = ctypes.create_string_buffer(16)
    for number, args in ((275, (3, None, 3, None, 1, 0)), (278, (3, piece, 1, 0)), (276, (3, 3, 1, 0)), (40, (3, 3, None, 1)), (20, (3, piece, 0)), (18, (3, piece, 1, 0)), (307, (3, piece, 0, 0))):
        if libc.syscall(number, *args) >= 0 or ctypes.get_errno() != 1: return 'REACHED %d' % number
    return 'blocked'
