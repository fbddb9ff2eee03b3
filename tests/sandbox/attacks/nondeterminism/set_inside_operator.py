# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import functools, operator
def f(x): return list(functools.reduce(operator.or_, ({c} for c in 'abcdefghijklmnop')))
