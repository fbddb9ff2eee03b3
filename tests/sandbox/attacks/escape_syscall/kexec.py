# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    libc.syscall(246, 0, 99, None, -1)              # kexec_load with flags that do not exist
    return 'REACHED'
