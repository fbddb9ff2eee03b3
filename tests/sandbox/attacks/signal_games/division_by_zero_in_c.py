# class: signal_games / expect: crash-contained
# detect: a fault of the guest only
# verify: signalany
import ctypes
def f(x): ctypes.memset(1, 0, 1 << 20)
