# class: escape_syscall / expect: crash-contained
# detect: registers of the guest's own choice; nothing but its own death
# verify: signalany
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x): libc.syscall(15)
