# class: nondeterminism / expect: nondeterministic
# detect: the second call of f differs from the first
# verify: nondet
def f(x, seen=[]):
    seen.append(x)
    return list(seen)
