# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import uuid
def f(x):
    return uuid.uuid4().int % 2
