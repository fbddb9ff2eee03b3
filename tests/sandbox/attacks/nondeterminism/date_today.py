# class: nondeterminism / expect: nondeterministic
# detect: two fresh interpreters give different values
# verify: nondet
import datetime
def f(x):
    return datetime.date.today().isoformat()
