# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return ''.join(set('the quick brown fox jumps over the lazy dog'))
