# class: escape_syscall / expect: denied
# detect: the accepted value contains "REACHED" (a filter that compares 64 bits of what the kernel takes for 32)
# verify: contains:REACHED
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    data = ctypes.create_string_buffer(b'x')
    for fd in (0x100000001, 0x1_0000_0000, -0xffffffff, 1, 0, 2, 4):
        if libc.syscall(1, ctypes.c_long(fd), data, ctypes.c_long(1)) >= 0: return 'REACHED %d' % fd
    return 'blocked %d' % ctypes.get_errno()
