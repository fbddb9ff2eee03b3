# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    seen = ''
    for word in frozenset(str(n * x) for n in range(12)): seen = seen + word
    return seen
