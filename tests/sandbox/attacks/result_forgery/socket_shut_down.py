# class: result_forgery / expect: ok-contained
# detect: fd 3, which is a socket, is shut down, given a timeout or filled from the other side
# verify: contains:SHUT
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    if libc.shutdown(3, 2) == 0: return 'SHUT-OK'
    if libc.setsockopt(3, 1, 20, b'\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 16) == 0: return 'SHUT-OPT'
    return 'blocked %d' % ctypes.get_errno()
