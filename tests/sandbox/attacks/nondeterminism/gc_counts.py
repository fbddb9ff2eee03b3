# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import gc
def f(x):
    return gc.get_count()
