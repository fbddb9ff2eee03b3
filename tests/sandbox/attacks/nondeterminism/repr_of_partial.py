# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import functools
def f(x): return ascii(functools.partial(lambda: x))
