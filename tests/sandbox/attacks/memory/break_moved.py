# class: memory / expect: oom
# detect: memory taken by brk is not counted
# verify: unsafe
import ctypes
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
def f(x):
    while True:
        at = libc.sbrk(ctypes.c_long(1 << 22))
        if at in (None, (1 << 64) - 1): raise MemoryError
        ctypes.memset(at, 1, 1 << 22)
