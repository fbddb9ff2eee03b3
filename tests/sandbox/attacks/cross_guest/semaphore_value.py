# class: cross_guest / expect: denied
# detect: a later guest of the same pool returns SEEN-PREVIOUS
# verify: twophase:SEEN-PREVIOUS
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    if libc.semget(0x5bc5e, 0, 0) >= 0: return 'SEEN-PREVIOUS'
    return 'PLANTED' if libc.semget(0x5bc5e, 1, 0o1600) >= 0 else 'blocked %d' % ctypes.get_errno()
