# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    view = dict.fromkeys('abcdefghij').keys()
    view ^= {c for c in 'klmnopqrstuv'}
    return [c for c in view]
