# class: escape_syscall / expect: denied
# detect: the accepted value contains "PERSONALITY"
# verify: contains:PERSONALITY
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    got = libc.personality(0x0400000)               # READ_IMPLIES_EXEC
    return 'PERSONALITY %d' % got if got >= 0 else 'blocked %d' % ctypes.get_errno()
