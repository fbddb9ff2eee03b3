# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import datetime
def f(x): return datetime.datetime.now().microsecond // 250000
