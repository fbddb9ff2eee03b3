# class: result_forgery / expect: ok-contained
# detect: a finaliser that runs while the value is encoded ends the process with status 0
# verify: exit0
import gc, os
class Cycle:
    def __init__(self): self.self = self
    def __del__(self): os._exit(0)
def f(x):
    gc.set_threshold(1, 1, 1)
    Cycle()
    return [[n, [n]] for n in range(2000)]
