# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
def f(x):
    d = {'a': 1, 'b': 2, 'c': 3}
    return list(d.keys() - ['c'])
