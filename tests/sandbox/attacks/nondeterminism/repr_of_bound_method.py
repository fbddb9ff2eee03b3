# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
class Thing:
    def go(self): return self
def f(x): return '%s' % Thing().go
