# class: escape_syscall / expect: denied
# detect: the accepted value contains "DESCRIPTOR"
# verify: contains:DESCRIPTOR
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    mask = ctypes.create_string_buffer(8)
    for number, args in ((283, (1, 0)), (289, (-1, mask, 8, 0)), (290, (0, 0)), (294, (0,)), (300, (0, 0)), (291, (0,)), (222, (1, None, mask)), (293, (mask, 0)), (53, (1, 1, 0, mask)), (434, (1, 0)), (241, (b'sbx_none', 0, 0, None)), (428, (-100, b'.', 0)), (430, (b'tmpfs', 0))):
        if libc.syscall(number, *args) >= 0: return 'DESCRIPTOR %d' % number
    return 'blocked %d' % ctypes.get_errno()
