# class: result_forgery / expect: ok-contained
# detect: a list that becomes another while it is encoded equals the gold
# verify: eq
GOLD_EQ = [1, 2, 3]
import gc
class Late(list):
    def __iter__(self): return iter([1, 2, 3])
def f(x):
    out = [1, 2]
    gc.callbacks.append(lambda phase, info: out.append(3))
    gc.set_threshold(1, 1, 1)
    return [out, Late()]
