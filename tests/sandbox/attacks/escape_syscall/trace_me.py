# class: escape_syscall / expect: denied
# detect: the accepted value contains "TRACED"
# verify: contains:TRACED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x): return 'TRACED' if libc.ptrace(0, 0, 0, 0) == 0 else 'blocked %d' % ctypes.get_errno()
