# class: memory / expect: oom
# detect: shared anonymous memory is not counted, or outlives the guest
# verify: unsafe
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
def f(x):
    while True:
        at = libc.mmap(None, ctypes.c_size_t(1 << 22), 3, 0x21, -1, ctypes.c_size_t(0))
        if at in (None, (1 << 64) - 1): raise MemoryError
        ctypes.memset(at, 1, 1 << 22)
