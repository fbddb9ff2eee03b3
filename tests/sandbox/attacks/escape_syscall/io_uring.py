# class: escape_syscall / expect: denied
# detect: the accepted value contains "URING-OK"
# verify: contains:URING-OK
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    fd = libc.syscall(425, 8, ctypes.create_string_buffer(120))
    return 'URING-OK' if fd >= 0 else 'blocked %d' % ctypes.get_errno()
