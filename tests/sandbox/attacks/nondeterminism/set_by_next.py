# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x): return next(iter({'left', 'right', 'up', 'down', 'in', 'out', 'here', 'there'}))
