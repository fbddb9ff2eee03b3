# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import random
def f(x):
    a = list(range(9))
    random.shuffle(a)
    return a
