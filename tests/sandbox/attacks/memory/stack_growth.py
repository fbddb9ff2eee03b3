# class: memory / expect: crash-contained
# detect: the stack grows without a limit of its own
# verify: signal:SIGSEGV
import sys
class Deep:
    def __getattr__(self, name): return getattr(self, name + 'x')
def f(x):
    sys.setrecursionlimit(1 << 30)
    return Deep().a
