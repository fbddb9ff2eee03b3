# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return dict(zip(range(20), set('abcdefghijklmnopqrst')))
