# class: escape_syscall / expect: denied
# detect: the accepted value contains "VSYSCALL" (a clock behind the filter's back)
# verify: contains:VSYSCALL
import ctypes
def f(x):
    clock = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xffffffffff600400)
    now = clock(None)
    return 'VSYSCALL %d' % now if now > 0 else 'blocked %d' % now
