# class: escape_syscall / expect: denied
# detect: the accepted value contains "PRCTL"
# verify: contains:PRCTL
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for option, value in ((35, 8), (4, 1), (22, 0), (26, 1), (38, 1), (41, 0), (55, 1), (65, 0), (0x53564d41, 0)):
        if libc.prctl(option, value, 0, 0, 0) == 0: return 'PRCTL %d' % option       # MM, DUMPABLE, SECCOMP, TSC, ... 
    return 'blocked %d' % ctypes.get_errno()
