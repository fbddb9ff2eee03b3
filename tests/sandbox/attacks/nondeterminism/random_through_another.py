# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import statistics
def f(x): return statistics.NormalDist(0, 1).samples(3)
