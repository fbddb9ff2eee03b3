# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS
# verify: twophase:SEEN-PREVIOUS
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    if libc.syscall(250, 10, -5, b'user', b'pwned_session_key', 0) > 0: return 'SEEN-PREVIOUS'
    key = libc.syscall(248, b'user', b'pwned_session_key', b'v', ctypes.c_size_t(1), -5)
    if key > 0: libc.syscall(250, 15, key, 20)
    return 'PLANTED' if key > 0 else 'blocked %d' % ctypes.get_errno()
