# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
from collections import Counter, OrderedDict
def f(x): return list(OrderedDict.fromkeys(Counter(frozenset('hash seeds decide this order'))))[:x]
