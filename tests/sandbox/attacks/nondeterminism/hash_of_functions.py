# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
def f(x):
    table = {len, min, max, sum, any, all, abs, repr, print}
    return [item.__name__ for item in table]
