# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    libc.syscall(175, None, 0, b'')                 # init_module of nothing
    return 'REACHED'
