# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    left = dict.fromkeys('abcdefghijkl'); right = dict.fromkeys('ghijklmnopqr')
    return list(left.keys() & right.keys()) + list(left.items() - right.items())
