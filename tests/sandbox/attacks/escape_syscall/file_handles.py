# class: escape_syscall / expect: denied
# detect: the accepted value contains "HANDLE"
# verify: contains:HANDLE
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    handle = ctypes.create_string_buffer(b'\x80\0\0\0' + b'\0' * 200)
    if libc.syscall(303, -100, b'/', handle, ctypes.create_string_buffer(8), 0) == 0: return 'HANDLE'
    return 'blocked %d' % ctypes.get_errno()
