# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS
# verify: twophase:SEEN-PREVIOUS
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    fd = libc.syscall(240, b'pwned_queue', 0o102, 0o600, None)
    if fd < 0: return 'blocked %d' % ctypes.get_errno()
    if libc.syscall(240, b'pwned_queue', 0o302, 0o600, None) < 0: return 'SEEN-PREVIOUS'
    return 'PLANTED'
