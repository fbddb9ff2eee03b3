# class: escape_syscall / expect: denied
# detect: the accepted value contains "SEGMENT"
# verify: contains:SEGMENT
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    place = ctypes.create_string_buffer(8)
    for code in (0x1003, 0x1004, 0x1011, 0x1012, 0x5001):      # GET_FS, GET_GS, CPUID, SHSTK
        if libc.syscall(158, code, place) == 0: return 'SEGMENT %x' % code
    return 'blocked %d' % ctypes.get_errno()
