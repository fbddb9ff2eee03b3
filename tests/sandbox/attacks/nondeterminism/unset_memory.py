# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def f(x): return [ctypes.string_at(libc.malloc(ctypes.c_size_t(4096)), 64).hex() for _ in range(9)] + [libc.malloc(ctypes.c_size_t(1 << 20))]
