# class: network / expect: denied
# detect: the accepted value contains "SOCKET"
# verify: contains:SOCKET
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for family in (1, 2, 10, 16, 17):
        fd = libc.syscall(41, family, 2, 0)
        if fd >= 0: return 'SOCKET %d' % family
    return 'blocked %d' % ctypes.get_errno()
