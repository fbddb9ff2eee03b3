# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import ctypes
def f(x):
    return ctypes.addressof(ctypes.c_int()) >> 20 & 1
