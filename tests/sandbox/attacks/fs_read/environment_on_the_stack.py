# class: fs_read / expect: ok-contained
# detect: the accepted value contains "CANARY-ENV" (the block that exec leaves above the stack)
# verify: contains:CANARY-ENV
import ctypes
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
def f(x):
    name = libc.getauxval(31)                     # AT_EXECFN, which stands after the environment
    block = ctypes.string_at(name - 4096, 4096)
    return 'CANARY' + '-ENV' if b'CANARY' + b'-ENV' in block else 'nothing'
