# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
def f(x):
    return id(x) % 7, id([]) % 64
