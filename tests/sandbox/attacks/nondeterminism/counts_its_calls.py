# class: nondeterminism / expect: nondeterministic
# detect: the second call of f differs from the first
# verify: nondet
calls = []
def f(x):
    calls.append(x)
    return len(calls)
