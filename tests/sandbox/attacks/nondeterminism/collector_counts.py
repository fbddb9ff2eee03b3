# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import gc
def f(x): return [gc.get_count(), len(gc.get_objects()), gc.get_stats()]
