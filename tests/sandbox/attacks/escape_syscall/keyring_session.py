# class: escape_syscall / expect: denied
# detect: the accepted value contains "KEYRING"
# verify: contains:KEYRING
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    got = libc.syscall(250, 1, None)
    return 'KEYRING %d' % got if got > 0 else 'blocked %d' % ctypes.get_errno()
