# class: nondeterminism / expect: nondeterministic
# detect: the second call of f differs from the first
# verify: nondet
class Counter:
    total = 0
def f(x):
    Counter.total += x
    return Counter.total
