# class: signal_games / expect: crash-contained
# detect: a crash of its own is taken for another end
# verify: signal:SIGSEGV
def f(x):
    import ctypes
    ctypes.memset(8, 0, 64)
