# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
def f(x):
    return max('alpha beta gamma delta'.split(), key=hash)
