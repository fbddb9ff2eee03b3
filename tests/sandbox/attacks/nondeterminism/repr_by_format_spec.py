# class: nondeterminism / expect: nondeterministic
# detect: two processes differ
# verify: nondet
class Slotted:
    __slots__ = ('a',)
def f(x): return '{!r:>60}'.format(Slotted()) + '{0}'.format(object())
