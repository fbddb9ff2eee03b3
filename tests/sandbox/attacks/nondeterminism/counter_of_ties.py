# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
from collections import Counter
def f(x): return Counter({c for c in 'mississippi riverbank'}).most_common(4)
