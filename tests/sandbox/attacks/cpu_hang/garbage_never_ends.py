# class: cpu_hang / expect: timeout
# detect: a finaliser that makes its own like again
# verify: hang
import gc
class Phoenix:
    def __del__(self): Phoenix()
def f(x):
    Phoenix()
    while True: gc.collect()
