# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    first, *rest = {str(n) for n in range(10, 20)}
    return (first, rest[-1])
