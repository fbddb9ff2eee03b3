# class: nondeterminism / expect: nondeterministic
# detect: a format text reaches attributes that a screen refuses by name
# verify: nondet
class Thing:
    def go(self): return 1
def f(x): return '{0.go.__func__.__globals__}{0.__class__.__init__}'.format(Thing())
