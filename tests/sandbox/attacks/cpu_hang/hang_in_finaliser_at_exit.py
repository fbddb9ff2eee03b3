# class: cpu_hang / expect: ok-contained
# detect: the interpreter's end never comes because a finaliser hangs
# verify: hang
import atexit, sys
class Last:
    def __del__(self):
        while True: pass
def f(x):
    sys.modules['last'] = Last()
    atexit.register(Last().__del__)
    f.last = Last()
    return 1
