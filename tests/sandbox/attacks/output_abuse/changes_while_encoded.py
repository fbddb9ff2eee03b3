# class: output_abuse / expect: error
# detect: a list that grows while it is encoded
# verify: anyerror
import gc
class Grower(dict):
    pass
def f(x):
    out = [[0] for _ in range(200)]
    gc.callbacks.append(lambda *a: out.append([1]))
    gc.set_threshold(1)
    out.append(Grower())
    return out
