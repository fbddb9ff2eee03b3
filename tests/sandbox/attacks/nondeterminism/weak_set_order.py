# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
import weakref
class Thing:
    def __init__(self, n): self.n = n
def f(x):
    kept = [Thing(n) for n in range(40)]
    return [thing.n for thing in weakref.WeakSet(kept)]
