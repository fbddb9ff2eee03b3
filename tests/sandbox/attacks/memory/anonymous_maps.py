# class: memory / expect: oom
# detect: mappings made past the allocator are not counted
# verify: unsafe
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
def f(x):
    while True:
        at = libc.mmap(None, ctypes.c_size_t(1 << 20), 3, 0x22, -1, ctypes.c_size_t(0))
        if at in (None, (1 << 64) - 1): raise MemoryError
        ctypes.memset(at, 1, 1 << 20)
