# class: nondeterminism / expect: ok-contained
# detect: two fresh interpreters give different values
# verify: nondet
def f(x):
    return set('abc') | {'d'}
