# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import time
def f(x):
    return int(time.time() * 1000) % 2
