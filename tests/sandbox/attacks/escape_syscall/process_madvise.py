# class: escape_syscall / expect: denied
# detect: the accepted value contains "PMADV-OK" (advice on memory of another)
# verify: contains:PMADV-OK
import ctypes
def call(*a):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(*[ctypes.c_long(v) if isinstance(v, int) else v for v in a])

def f(x):
    return 'PMADV-OK' if call(440, 3, 0, 0, 4, 0) == 0 else 'blocked'
