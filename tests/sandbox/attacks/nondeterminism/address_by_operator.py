# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import operator
def f(x): return operator.methodcaller('__hash__')(object()) // 7
