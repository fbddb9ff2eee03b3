# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import ctypes
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
def f(x): return [libc.sched_getcpu(), ctypes.string_at(libc.getauxval(25), 16).hex(), libc.getauxval(33)]
