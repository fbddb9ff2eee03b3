# class: escape_syscall / expect: denied
# detect: the accepted value contains "PASSED"
# verify: contains:PASSED
import struct
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    data = ctypes.create_string_buffer(b'x')
    control = ctypes.create_string_buffer(struct.pack('<QiiI', 20, 1, 1, 3) + b'\0' * 4, 24)
    vector = ctypes.create_string_buffer(struct.pack('<QQ', ctypes.addressof(data), 1), 16)
    header = struct.pack('<QIxxxxQQQQi', 0, 0, ctypes.addressof(vector), 1, ctypes.addressof(control), 24, 0)
    return 'PASSED' if libc.syscall(46, 3, header, 0) >= 0 else 'blocked %d' % ctypes.get_errno()
