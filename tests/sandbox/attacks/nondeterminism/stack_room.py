# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import sys
def f(x):
    def g(n):
        try:
            return g(n + 1)
        except RecursionError:
            return n
    return g(0)
