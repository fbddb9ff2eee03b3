# class: output_abuse / expect: ok-contained
# detect: a named tuple or a tuple is taken for a list
# verify: eq
import collections
GOLD_EQ = [1, 2]
def f(x): return collections.namedtuple('P', 'a b')(1, 2)
