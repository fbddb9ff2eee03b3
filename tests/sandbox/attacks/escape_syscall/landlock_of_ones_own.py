# class: escape_syscall / expect: denied
# detect: the accepted value contains "RULES" (a guest that can ask for rules can learn the host's)
# verify: contains:RULES
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    abi = libc.syscall(444, None, ctypes.c_long(0), 1)
    return 'RULES %d' % abi if abi > 0 else 'blocked %d' % ctypes.get_errno()
