# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return str(f.__code__) + str(f.__code__.co_consts)
